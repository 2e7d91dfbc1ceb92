#include "ops/device/padded_attention.h"

#include <ATen/ATen.h>

#include <limits>

#include "ops/device/upload.h"

namespace reward_model_score {
namespace {

/** Float32 numbers that a batch needs at a time: 128 MiB, and as much again for the softmax. */
constexpr int64_t kMostNumbers = int64_t{1} << 25;

PaddedPlan plan_for(const std::vector<Segment>& segments, int64_t tokens, const AttentionShape& shape) {
  const PaddedCost cost{shape.q_heads, 2 * shape.kv_heads * shape.head_dim, kMostNumbers};
  return plan_padded(segments, tokens, shape.causal, shape.window, cost);
}

}  // namespace

PaddedAttention::PaddedAttention(const std::vector<Segment>& segments, const at::Tensor& qkv,
                                 const AttentionShape& shape) {
  const PaddedPlan plan = plan_for(segments, qkv.size(0), shape);
  const at::Tensor queries = upload(plan.queries, qkv.device()), keys = upload(plan.keys, qkv.device());
  const at::Tensor first_queries = upload(plan.first_queries, qkv.device());
  const at::Tensor first_keys = upload(plan.first_keys, qkv.device());
  const at::Tensor key_ends = shape.causal ? at::Tensor() : upload(plan.key_ends, qkv.device());
  places_ = upload(plan.places, qkv.device());
  int64_t query = 0, key = 0, tile = 0;
  for (const TileBatch& sizes : plan.batches) {
    batches_.push_back({.sizes = sizes,
                        .queries = queries.narrow(0, query, sizes.tiles * sizes.queries),
                        .keys = keys.narrow(0, key, sizes.tiles * sizes.keys),
                        .first_queries = first_queries.narrow(0, tile, sizes.tiles),
                        .first_keys = first_keys.narrow(0, tile, sizes.tiles),
                        .key_ends = shape.causal ? key_ends : key_ends.narrow(0, tile, sizes.tiles)});
    query += sizes.tiles * sizes.queries;
    key += sizes.tiles * sizes.keys;
    tile += sizes.tiles;
  }
}

at::Tensor PaddedAttention::hidden_keys(const Batch& batch, const AttentionShape& shape) {
  const auto positions = [&](const at::Tensor& first, int64_t count) {
    return first.unsqueeze(1) + at::arange(count, first.options());
  };
  const at::Tensor query = positions(batch.first_queries, batch.sizes.queries).unsqueeze(2);
  const at::Tensor key = positions(batch.first_keys, batch.sizes.keys).unsqueeze(1);
  // The keys of a causal tile end at its last query, so that none sees the padding.
  at::Tensor hidden = shape.causal ? key > query : key >= batch.key_ends.view({-1, 1, 1});
  if (shape.window > 0) {
    hidden = hidden.logical_or(key <= query - shape.window);
    if (!shape.causal) hidden.logical_or_(key >= query + shape.window);
  }
  return hidden.unsqueeze(1);
}

at::Tensor PaddedAttention::run(const at::Tensor& qkv, const AttentionShape& shape) const {
  std::vector<at::Tensor> parts;
  for (const Batch& batch : batches_) parts.push_back(attend(qkv, batch, shape));
  return at::cat(parts).index_select(0, places_);
}

at::Tensor PaddedAttention::attend(const at::Tensor& qkv, const Batch& batch, const AttentionShape& shape) {
  const auto& [tiles, queries, keys] = batch.sizes;
  const int64_t d = shape.head_dim, kv_heads = shape.kv_heads, group = shape.group();
  const int64_t q_width = shape.q_heads * d, kv_width = kv_heads * d;

  // The heads that read the same keys are more rows of one product.
  const at::Tensor q = qkv.narrow(1, 0, q_width)
                           .index_select(0, batch.queries)
                           .to(at::kFloat)
                           .view({tiles, queries, kv_heads, group, d})
                           .permute({0, 2, 3, 1, 4})
                           .reshape({tiles * kv_heads, group * queries, d});
  const at::Tensor kv = qkv.narrow(1, q_width, 2 * kv_width).index_select(0, batch.keys).to(at::kFloat);
  const at::Tensor heads = kv.view({tiles, keys, 2, kv_heads, d}).permute({2, 0, 3, 1, 4});
  const at::Tensor k = heads.select(0, 0).reshape({tiles * kv_heads, keys, d}).transpose(1, 2);
  const at::Tensor v = heads.select(0, 1).reshape({tiles * kv_heads, keys, d});

  at::Tensor products = at::bmm(q, k).mul_(shape.scale);
  if (shape.softcap > 0) products.div_(shape.softcap).tanh_().mul_(shape.softcap);
  products.view({tiles, shape.q_heads, queries, keys})
      .masked_fill_(hidden_keys(batch, shape), -std::numeric_limits<double>::infinity());
  products = at::softmax(products, -1);
  return at::bmm(products, v)
      .view({tiles, kv_heads, group, queries, d})
      .permute({0, 3, 1, 2, 4})
      .reshape({tiles * queries, q_width})
      .to(qkv.scalar_type());
}

}  // namespace reward_model_score
