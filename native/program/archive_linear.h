#pragma once

#include <ATen/core/Tensor.h>
#include <torch/custom_class.h>

#include "ops/packed_linear.h"

namespace reward_model_score {

// reward_model_score::archive_linear: what replaces aten::linear in an archive. Takes [..., in] in any dtype
// and returns [..., out] in the same; the product is computed in the dtype of the weight.
at::Tensor archive_linear(const at::Tensor& x, const c10::intrusive_ptr<PackedLinear>& weight);

}  // namespace reward_model_score
