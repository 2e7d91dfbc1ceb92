#pragma once
// How a pack is divided into batches of equal shapes, for products of matrices: queries of a segment in
// tiles, tiles of similar sizes together.
#include <cstdint>
#include <vector>

#include "ops/segments.h"

namespace reward_model_score {

/** Tiles, padded to the same number of queries and of keys with copies of a tile's last token. */
struct TileBatch {
  int64_t tiles, queries, keys;
};

/** The arrays hold one batch after the other. */
struct PaddedPlan {
  std::vector<TileBatch> batches;
  /** Tokens of the pack: [tiles, queries] and [tiles, keys] a batch. */
  std::vector<int32_t> queries, keys;
  /** Positions of a tile's first query and key: [tiles] a batch. */
  std::vector<int32_t> first_queries, first_keys;
  /** Positions behind a tile's last key, where it is padded: [tiles] a batch. */
  std::vector<int32_t> key_ends;
  /** [tokens]: the place of each token in `queries`. */
  std::vector<int32_t> places;
};

/** What a batch needs memory for, in numbers: a product for every query head, query and key, and the keys
 * themselves. */
struct PaddedCost {
  int64_t q_heads;
  int64_t per_key;
  /** Of a batch; one that is a single tile of few queries may need more. */
  int64_t most;
};

/** Padding at most doubles the queries of a tile and adds half to its keys. `window` 0 = none. */
PaddedPlan plan_padded(const std::vector<Segment>& segments, int64_t tokens, bool causal, int64_t window,
                       const PaddedCost& cost);

}  // namespace reward_model_score
