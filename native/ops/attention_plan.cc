#include "ops/attention_plan.h"

#include <algorithm>

#include "ops/cpu/elements.h"

namespace reward_model_score {

using cpu::kBlock;

namespace {

/** The position of the last key that a query sees that is not causal. */
int32_t last_key(const Segment& segment, int64_t query, int64_t window) {
  const int32_t last = segment.position + segment.length - 1;
  return window > 0 ? static_cast<int32_t>(std::min<int64_t>(last, query + window - 1)) : last;
}

}  // namespace

AttentionPlan::AttentionPlan(const std::vector<Segment>& segments, bool causal, int64_t window) {
  // A segment packs the blocks that hold its own tokens. The first of them may begin with tokens of its
  // ancestors, which are packed again there; whole blocks before it are the ancestors' own.
  std::vector<int32_t> own_blocks(segments.size());
  for (size_t s = 0; s < segments.size(); ++s) {
    const Segment& segment = segments[s];
    own_blocks[s] = static_cast<int32_t>(key_blocks.size());
    const int32_t end = segment.position + segment.length;
    for (int32_t b = segment.position / kBlock; b * kBlock < end; ++b)
      key_blocks.push_back({static_cast<int32_t>(s), b});
  }
  const auto packed = [&](int32_t s, int32_t block) {
    while (block < segments[s].position / kBlock) s = segments[s].parent;
    return own_blocks[s] + block - segments[s].position / static_cast<int32_t>(kBlock);
  };
  for (size_t s = 0; s < segments.size(); ++s) {
    const Segment& segment = segments[s];
    for (int32_t first = 0; first < segment.length;) {
      const int32_t position = segment.position + first, block = position / kBlock;
      const int32_t rows =
          std::min<int32_t>(segment.length - first, (block + 1) * static_cast<int32_t>(kBlock) - position);
      const int64_t oldest = window > 0 ? std::max<int64_t>(0, position - window + 1) : 0;
      const int32_t first_block = static_cast<int32_t>(oldest / kBlock);
      const int32_t last_block = causal ? block : last_key(segment, position + rows - 1, window) / kBlock;
      tiles.push_back({static_cast<int32_t>(s), first, rows, first_block, static_cast<int32_t>(keys.size()),
                       last_block + 1 - first_block});
      for (int32_t b = first_block; b <= last_block; ++b) keys.push_back(packed(static_cast<int32_t>(s), b));
      first += rows;
    }
  }
  std::stable_sort(tiles.begin(), tiles.end(), [](const QueryTile& a, const QueryTile& b) {
    return int64_t{a.rows} * a.keys_count > int64_t{b.rows} * b.keys_count;
  });
}

int64_t gather_tokens(const std::vector<Segment>& segments, const KeyBlock& block, int32_t* tokens) {
  const Segment* segment = &segments[block.segment];
  const int32_t from = block.index * static_cast<int32_t>(kBlock);
  const int32_t count = std::min<int32_t>(kBlock, segment->position + segment->length - from);
  for (int32_t i = count - 1; i >= 0; --i) {
    while (from + i < segment->position) segment = &segments[segment->parent];
    tokens[i] = segment->start + (from + i - segment->position);
  }
  std::fill(tokens + count, tokens + kBlock, tokens[count - 1]);
  return count;
}

}  // namespace reward_model_score
