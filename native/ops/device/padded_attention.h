#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "ops/device/padded_plan.h"
#include "ops/segments.h"

namespace reward_model_score {

/** Attention by batched products of matrices in float32, on any device, for the packs of one table of
 * segments. */
class PaddedAttention {
 public:
  /** Of `qkv` only the number of tokens and the device count. */
  PaddedAttention(const std::vector<Segment>& segments, const at::Tensor& qkv, const AttentionShape& shape);

  at::Tensor run(const at::Tensor& qkv, const AttentionShape& shape) const;

 private:
  /** A TileBatch with its part of the plan's arrays on the device; `key_ends` only where it is not causal. */
  struct Batch {
    TileBatch sizes;
    at::Tensor queries, keys, first_queries, first_keys, key_ends;
  };

  /** What the queries do not see of the keys: [tiles, 1, queries, keys]. */
  static at::Tensor hidden_keys(const Batch& batch, const AttentionShape& shape);
  static at::Tensor attend(const at::Tensor& qkv, const Batch& batch, const AttentionShape& shape);

  std::vector<Batch> batches_;
  at::Tensor places_;
};

}  // namespace reward_model_score
