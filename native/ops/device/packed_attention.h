#pragma once
#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "ops/segments.h"

namespace reward_model_score {

/** Attention by libtorch's fused kernel for packed sequences, for the packs of one table of segments. */
class PackedAttention {
 public:
  struct Call {
    int64_t first_token, tokens;
    at::Tensor query_ends, key_ends;
    int64_t most_queries, most_keys;
    std::optional<at::Tensor> keys;
  };

  /**
   * Whether the device has the kernel and it takes such heads. That is for libtorch to say, which knows the
   * device's architecture: it is asked by a call with one token.
   */
  static bool fits(const at::Tensor& qkv, const AttentionShape& shape);

  /** `segments` follow one another; of `qkv` only dtype and device count. */
  PackedAttention(const std::vector<Segment>& segments, const at::Tensor& qkv, const AttentionShape& shape);

  at::Tensor run(const at::Tensor& qkv, const AttentionShape& shape) const;

 private:
  std::vector<Call> calls_;
};

}  // namespace reward_model_score
