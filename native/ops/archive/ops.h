#pragma once

#include <ATen/core/Tensor.h>
#include <torch/custom_class.h>

#include <optional>
#include <string>

#include "ops/packed_linear.h"

namespace reward_model_score {

// What the loader puts in the place of an archive's own operations. Each computes the same values as the
// operations that it replaces, but for the rounding of sums.

// [..., in] in any dtype → [..., out] in the same; the product is computed in the dtype of the weight.
at::Tensor archive_linear(const at::Tensor& x, const c10::intrusive_ptr<PackedLinear>& weight);

// activation(x Wgᵀ) * (x Wuᵀ) for a weight that holds both, Wg first: [..., in] → [..., out / 2].
at::Tensor archive_gated_linear(const at::Tensor& x, const c10::intrusive_ptr<PackedLinear>& weight,
                                c10::string_view activation);

// x * cos + cat(-x[..., split:], x[..., :split]) * sin for x [batch, heads, length, channels].
at::Tensor archive_rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, int64_t split);

// softmax(query keyᵀ * scale + mask) value for [batch, heads, length, channels]; the mask, if any, is added
// and must broadcast to [batch, heads, queries, keys].
at::Tensor archive_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                             const at::Tensor& mask, double scale);

}  // namespace reward_model_score
