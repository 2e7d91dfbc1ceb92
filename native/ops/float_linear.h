#pragma once
#include "ops/packed_linear.h"

namespace reward_model_score {

/**
 * What the weights of linears of `dtype` are kept and multiplied in. Without bf16 instructions oneDNN
 * emulates them: several times slower than float32, and the bits of a row depend on the rows beside it.
 */
at::ScalarType packed_dtype(at::ScalarType dtype);

/**
 * weight [out, in] and bias [out] for inputs and outputs of `dtype`, float32 or bfloat16, which they need not
 * have if they have `packed_dtype`. They may be freed afterwards.
 */
c10::intrusive_ptr<PackedLinear> float_linear(const at::Tensor& weight, std::optional<at::Tensor> bias,
                                              at::ScalarType dtype);

}  // namespace reward_model_score
