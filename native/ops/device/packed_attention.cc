#include "ops/device/packed_attention.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include "ops/device/packed_plan.h"
#include "ops/device/upload.h"

namespace reward_model_score {
namespace {

/** Of keys and values that one call copies. */
constexpr int64_t kMostBytes = int64_t{128} << 20;

/** Heads of some tokens: [tokens, heads, head_dim]. */
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                  const PackedAttention::Call& call, const AttentionShape& shape) {
  // The kernel's window counts the keys before a query's own, and those behind it.
  const bool windowed = shape.window > 0;
  const auto left = windowed ? std::optional<int64_t>(shape.window - 1) : std::nullopt;
  const auto right = windowed ? std::optional<int64_t>(shape.causal ? 0 : shape.window - 1) : std::nullopt;
  return std::get<0>(at::_flash_attention_forward(q, k, v, call.query_ends, call.key_ends, call.most_queries,
                                                  call.most_keys, /*dropout_p=*/0.0, shape.causal,
                                                  /*return_debug_mask=*/false, shape.scale, left, right));
}

}  // namespace

bool PackedAttention::fits(const at::Tensor& qkv, const AttentionShape& shape) {
  const bool half = qkv.scalar_type() == at::kHalf || qkv.scalar_type() == at::kBFloat16;
  // libtorch builds the kernel without a softcap, and for heads of up to 256 channels.
  if (!half || shape.softcap > 0 || shape.head_dim % 8 != 0 || shape.head_dim > 256) return false;
  try {
    const PackedAttention one({Segment{.start = 0, .length = 1, .parent = -1, .position = 0}}, qkv, shape);
    one.run(at::zeros({1, qkv.size(1)}, qkv.options()), shape);
    return true;
  } catch (const c10::Error&) {
    // If it was for another reason, the other way fails with it too.
    return false;
  }
}

PackedAttention::PackedAttention(const std::vector<Segment>& segments, const at::Tensor& qkv,
                                 const AttentionShape& shape) {
  const int64_t bytes_per_key = 2 * shape.kv_heads * shape.head_dim * qkv.element_size();
  for (const PackedCall& call : plan_packed(segments, shape.window, kMostBytes / bytes_per_key)) {
    calls_.push_back(
        {.first_token = call.first_token,
         .tokens = call.query_ends.back(),
         .query_ends = upload(call.query_ends, qkv.device()),
         .key_ends = upload(call.key_ends, qkv.device()),
         .most_queries = call.most_queries,
         .most_keys = call.most_keys,
         .keys = call.keys.empty() ? std::nullopt : std::optional(upload(call.keys, qkv.device()))});
  }
}

at::Tensor PackedAttention::run(const at::Tensor& qkv, const AttentionShape& shape) const {
  const auto [q_heads, kv_heads, head_dim] = std::tuple(shape.q_heads, shape.kv_heads, shape.head_dim);
  const at::Tensor keys_values = qkv.narrow(1, q_heads * head_dim, 2 * kv_heads * head_dim);
  std::vector<at::Tensor> parts;
  for (const Call& call : calls_) {
    const at::Tensor q = qkv.narrow(0, call.first_token, call.tokens).narrow(1, 0, q_heads * head_dim);
    const at::Tensor kv = call.keys ? keys_values.index_select(0, *call.keys)
                                    : keys_values.narrow(0, call.first_token, call.tokens);
    const at::Tensor heads = kv.view({kv.size(0), 2 * kv_heads, head_dim});
    const at::Tensor mixed = attend(q.view({call.tokens, q_heads, head_dim}), heads.narrow(1, 0, kv_heads),
                                    heads.narrow(1, kv_heads, kv_heads), call, shape);
    parts.push_back(mixed.reshape({call.tokens, q_heads * head_dim}));
  }
  return parts.size() == 1 ? parts.front() : at::cat(parts);
}

}  // namespace reward_model_score
