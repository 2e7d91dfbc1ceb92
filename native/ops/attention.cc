#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>

#include "ops/attention_plan.h"
#include "ops/dispatch.h"
#include "ops/parallel.h"

namespace reward_model_score {
namespace {

template <class T>
void attend(const at::Tensor& qkv, const std::vector<Segment>& segments, const AttentionShape& shape,
            at::Tensor& out) {
  const cpu::Kernels<T>& kernels = cpu::kernels<T>();
  const AttentionPlan plan(segments, shape.causal, shape.window);
  const int64_t d = shape.head_dim, stride = qkv.size(1), group = shape.group();
  const T* queries = elements<T>(qkv);
  const T* keys = queries + shape.q_heads * d;
  const T* values = keys + shape.kv_heads * d;
  T* result = elements<T>(out);

  // Keys and values of one head of one block are packed once, for every query that will see them.
  const int64_t bytes = kernels.block_bytes(d), block_count = static_cast<int64_t>(plan.key_blocks.size());
  const at::Tensor packed = at::empty({shape.kv_heads * block_count * bytes}, at::kByte);
  char* blocks = elements<char>(packed);
  const auto block_of = [&](int64_t head, int64_t block) {
    return blocks + (head * block_count + block) * bytes;
  };
  for_each_item(block_count, [&](int64_t b) {
    int32_t tokens[cpu::kBlock];
    const int64_t count = gather_tokens(segments, plan.key_blocks[b], tokens);
    for (int64_t head = 0; head < shape.kv_heads; ++head)
      kernels.pack(keys + head * d, values + head * d, stride, tokens, count, d, block_of(head, b));
  });

  // Query heads that read the same keys are taken together, as many as the kernel has room for.
  const int64_t heads_at_once = std::min(group, cpu::kMaxRows / cpu::kBlock);
  const int64_t parts = (group + heads_at_once - 1) / heads_at_once;
  const int64_t items_per_tile = shape.kv_heads * parts;
  const int64_t scratch_bytes = kernels.scratch_bytes(d);
  const at::Tensor scratch = at::empty({at::get_num_threads() * scratch_bytes}, at::kByte);
  for_each_item(static_cast<int64_t>(plan.tiles.size()) * items_per_tile, [&](int64_t item) {
    const QueryTile& tile = plan.tiles[item / items_per_tile];
    const int64_t kv_head = item % items_per_tile / parts, first_of_group = item % parts * heads_at_once;
    const int64_t head = kv_head * group + first_of_group;
    std::vector<const char*> seen(tile.keys_count);
    for (int32_t k = 0; k < tile.keys_count; ++k) seen[k] = block_of(kv_head, plan.keys[tile.keys_begin + k]);
    const Segment& segment = segments[tile.segment];
    const int64_t token = segment.start + tile.first;
    kernels.attend({.query = queries + token * stride + head * d,
                    .query_stride = stride,
                    .rows = tile.rows,
                    .heads = std::min(heads_at_once, group - first_of_group),
                    .head_dim = d,
                    .position = segment.position + tile.first,
                    .end = segment.position + segment.length,
                    .blocks = seen.data(),
                    .block_count = tile.keys_count,
                    .first_block = tile.first_block,
                    .scale = static_cast<float>(shape.scale),
                    .causal = shape.causal,
                    .window = shape.window,
                    .softcap = static_cast<float>(shape.softcap),
                    .out = result + (token * shape.q_heads + head) * d,
                    .out_stride = shape.q_heads * d,
                    .scratch = elements<char>(scratch) + at::get_thread_num() * scratch_bytes,
                    .distances = nullptr});
  });
}

at::Tensor attention(const at::Tensor& input, const at::Tensor& table, int64_t q_heads, int64_t kv_heads,
                     int64_t head_dim, double scale, bool causal, int64_t window, double softcap) {
  const at::Tensor qkv = input.contiguous();
  const AttentionShape shape{q_heads, kv_heads, head_dim, scale, causal, window, softcap};
  check_attention(qkv, shape);
  const std::vector<Segment> segments = read_segments(table, qkv.size(0), causal);
  at::Tensor out = at::empty({qkv.size(0), q_heads * head_dim}, qkv.options());
  dispatch("attention", qkv, [&](auto element) { attend<decltype(element)>(qkv, segments, shape, out); });
  return out;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(reward_model_score, library) {
  library.def(
      "attention(Tensor qkv, Tensor segments, int q_heads, int kv_heads, int head_dim, float scale, bool "
      "causal, int window, float softcap) -> Tensor");
}

TORCH_LIBRARY_IMPL(reward_model_score, CPU, library) { library.impl("attention", attention); }

}  // namespace reward_model_score
