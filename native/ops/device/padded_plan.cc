#include "ops/device/padded_plan.h"

#include <algorithm>
#include <bit>
#include <tuple>

namespace reward_model_score {
namespace {

/** Fewer than the most, where the keys are so many that memory says so, but never fewer than the least. */
constexpr int64_t kMostQueries = 256, kLeastQueries = 16;

struct Tile {
  int32_t segment;
  /** From the segment's start. */
  int32_t first, queries;
  /** Position of the first key. */
  int32_t first_key;
  int32_t keys;

  /** Tiles of one class are padded to each other's size. */
  auto size_class() const {
    const auto keys_width = std::bit_width(static_cast<uint32_t>(keys));
    const bool upper_half = keys >= 3 << keys_width >> 2;
    return std::tuple(std::bit_width(static_cast<uint32_t>(queries)), keys_width, upper_half);
  }
};

std::vector<Tile> divide(const std::vector<Segment>& segments, bool causal, int64_t window,
                         const PaddedCost& cost) {
  std::vector<Tile> tiles;
  for (int32_t s = 0; s < static_cast<int32_t>(segments.size()); ++s) {
    const Segment& segment = segments[s];
    const int64_t end = segment.position + segment.length;
    const int64_t queries_there_is_room_for = (cost.most / end - cost.per_key) / cost.q_heads;
    const auto step =
        static_cast<int32_t>(std::clamp(queries_there_is_room_for, kLeastQueries, kMostQueries));
    for (int32_t first = 0; first < segment.length; first += step) {
      const int32_t queries = std::min(step, segment.length - first);
      const int32_t position = segment.position + first;
      const auto oldest = static_cast<int32_t>(window > 0 ? std::max<int64_t>(0, position - window + 1) : 0);
      const int64_t behind = causal ? 0 : window > 0 ? window - 1 : end;
      const auto key_end = static_cast<int32_t>(std::min(end, position + queries + behind));
      tiles.push_back({s, first, queries, oldest, key_end - oldest});
    }
  }
  std::stable_sort(tiles.begin(), tiles.end(), [](const Tile& a, const Tile& b) {
    return std::tuple(a.size_class(), a.keys) > std::tuple(b.size_class(), b.keys);
  });
  return tiles;
}

void add(PaddedPlan& plan, const std::vector<Segment>& segments, const TileBatch& batch, const Tile& tile) {
  const Segment& segment = segments[tile.segment];
  const int32_t first = segment.start + tile.first, last = first + tile.queries - 1;
  for (int32_t i = 0; i < batch.queries; ++i) {
    if (i < tile.queries) plan.places[first + i] = static_cast<int32_t>(plan.queries.size());
    plan.queries.push_back(std::min(first + i, last));
  }
  plan.keys.resize(plan.keys.size() + batch.keys, last);
  auto key = plan.keys.end() - (batch.keys - tile.keys);
  int32_t s = tile.segment;
  for (int32_t position = tile.first_key + tile.keys; --position >= tile.first_key;) {
    while (position < segments[s].position) s = segments[s].parent;
    *--key = segments[s].start + (position - segments[s].position);
  }
  plan.first_queries.push_back(segment.position + tile.first);
  plan.first_keys.push_back(tile.first_key);
  plan.key_ends.push_back(tile.first_key + tile.keys);
}

}  // namespace

PaddedPlan plan_padded(const std::vector<Segment>& segments, int64_t tokens, bool causal, int64_t window,
                       const PaddedCost& cost) {
  PaddedPlan plan;
  plan.places.resize(tokens);
  const std::vector<Tile> tiles = divide(segments, causal, window, cost);
  for (size_t begin = 0; begin < tiles.size();) {
    TileBatch batch{0, 0, tiles[begin].keys};
    size_t end = begin;
    for (; end < tiles.size() && tiles[end].size_class() == tiles[begin].size_class(); ++end) {
      const int64_t queries = std::max<int64_t>(batch.queries, tiles[end].queries);
      const int64_t numbers = (batch.tiles + 1) * batch.keys * (cost.q_heads * queries + cost.per_key);
      if (end > begin && numbers > cost.most) break;
      batch.queries = queries;
      ++batch.tiles;
    }
    plan.batches.push_back(batch);
    for (; begin < end; ++begin) add(plan, segments, batch, tiles[begin]);
  }
  return plan;
}

}  // namespace reward_model_score
