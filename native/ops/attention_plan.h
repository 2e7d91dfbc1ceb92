#pragma once
// How one call of attention is divided: which blocks of keys to pack, and which queries see which blocks.
#include <cstdint>
#include <vector>

#include "ops/segments.h"

namespace reward_model_score {

/** Keys at the absolute positions of one block, as one segment and its descendants see them. */
struct KeyBlock {
  int32_t segment;
  /** In units of the block's width. */
  int32_t index;
};

/** Queries of one segment that lie in one block of positions. */
struct QueryTile {
  int32_t segment;
  /** From the segment's start. */
  int32_t first, rows;
  /** Blocks of keys from `first_block` on, as indices into the plan's key blocks: [keys_begin, keys_begin +
   * keys_count). */
  int32_t first_block;
  int32_t keys_begin, keys_count;
};

struct AttentionPlan {
  std::vector<KeyBlock> key_blocks;
  /** Sorted: the most work first. */
  std::vector<QueryTile> tiles;
  std::vector<int32_t> keys;

  /** `window` 0 = none. */
  AttentionPlan(const std::vector<Segment>& segments, bool causal, int64_t window);
};

/**
 * Indices in the pack of the tokens that fill a key block, gathered through the segment's ancestors: `count`
 * of them from the block's start on. `tokens` has room for a whole block; what is left is filled with the
 * last one.
 */
int64_t gather_tokens(const std::vector<Segment>& segments, const KeyBlock& block, int32_t* tokens);

}  // namespace reward_model_score
