// Attention on accelerators, in device-generic ATen: libtorch's fused kernel for packed sequences where the
// device has one that takes these heads, and batched products of matrices everywhere else.
#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>
#include <torch/library.h>

#include "ops/device/forward_plans.h"
#include "ops/device/packed_attention.h"
#include "ops/device/padded_attention.h"
#include "ops/segments.h"

namespace reward_model_score {
namespace {

/** Reading the table waits for the device. */
std::vector<Segment> fetch_segments(const at::Tensor& table, int64_t tokens, bool causal) {
  std::vector<Segment> segments = read_segments(table.cpu(), tokens, causal);
  int64_t next = 0;
  for (const Segment& segment : segments) {
    TORCH_CHECK(segment.start == next, "attention: the segments must follow one another");
    next += segment.length;
  }
  TORCH_CHECK(next == tokens, "attention: segments of ", next, " tokens in a pack of ", tokens);
  return segments;
}

at::Tensor attention(const at::Tensor& input, const at::Tensor& table, int64_t q_heads, int64_t kv_heads,
                     int64_t head_dim, double scale, bool causal, int64_t window, double softcap) {
  const at::Tensor qkv = input.contiguous();
  const AttentionShape shape{q_heads, kv_heads, head_dim, scale, causal, window, softcap};
  check_attention(qkv, shape);

  // What the plans depend on beside the table.
  const std::vector<int64_t> parameters{
      q_heads, kv_heads, head_dim, causal, window, softcap > 0, static_cast<int64_t>(qkv.scalar_type())};
  const auto segments = ForwardPlans::get<std::vector<Segment>>(
      table, {qkv.size(0), causal}, [&] { return fetch_segments(table, qkv.size(0), causal); });
  const auto fits =
      ForwardPlans::get<bool>(table, parameters, [&] { return PackedAttention::fits(qkv, shape); });
  if (*fits) {
    return ForwardPlans::get<PackedAttention>(table, parameters,
                                              [&] { return PackedAttention(*segments, qkv, shape); })
        ->run(qkv, shape);
  }
  return ForwardPlans::get<PaddedAttention>(table, parameters,
                                            [&] { return PaddedAttention(*segments, qkv, shape); })
      ->run(qkv, shape);
}

}  // namespace

TORCH_LIBRARY(reward_model_score_device, library) {
  library.def(
      "attention(Tensor qkv, Tensor segments, int q_heads, int kv_heads, int head_dim, float scale, bool "
      "causal, int window, float softcap) -> Tensor",
      torch::dispatch(c10::DispatchKey::CompositeExplicitAutograd, attention));
}

}  // namespace reward_model_score
