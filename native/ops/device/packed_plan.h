#pragma once
// How a pack is handed to a fused kernel for sequences of different lengths, which numbers queries and keys
// of every sequence on their own and lines them up at the end: query i of n sees the keys up to i + (keys -
// n).
#include <cstdint>
#include <vector>

#include "ops/segments.h"

namespace reward_model_score {

/** Segments that follow one another, a sequence each. */
struct PackedCall {
  /** Where the first sequence's queries begin in the pack. */
  int64_t first_token;
  /** [sequences + 1]: where each one's queries and keys end, from 0. */
  std::vector<int32_t> query_ends, key_ends;
  int64_t most_queries, most_keys;
  /** The tokens of the keys, sequence after sequence; empty where they are those of the queries. */
  std::vector<int32_t> keys;
};

/**
 * A segment that continues others gets a copy of their keys before its own, as many as the window lets it
 * see. One call copies `most_keys` at most, or what one segment needs. `window` 0 = none.
 */
std::vector<PackedCall> plan_packed(const std::vector<Segment>& segments, int64_t window, int64_t most_keys);

}  // namespace reward_model_score
