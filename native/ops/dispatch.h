#pragma once
// From tensors to the kernels of this machine.
#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include "ops/cpu/kernels.h"

namespace reward_model_score {

template <class T>
T* elements(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.data_ptr());
}

/** Calls f with a value of the kernels' element type: float or cpu::Bf16. */
template <class F>
auto dispatch(const char* op, const at::Tensor& x, const F& f) {
  if (x.scalar_type() == at::kFloat) return f(float{});
  TORCH_CHECK(x.scalar_type() == at::kBFloat16, op,
              ": the CPU kernels compute in float32 and bfloat16, not in ", x.scalar_type());
  return f(cpu::Bf16{});
}

/** Checks a float32 tensor of one dimension that a kernel reads as a plain array. */
inline const float* weights(const char* op, const at::Tensor& tensor, int64_t size) {
  TORCH_CHECK(tensor.scalar_type() == at::kFloat && tensor.is_contiguous() && tensor.numel() == size, op,
              ": expected ", size, " contiguous float32 weights, got ", tensor.scalar_type(), " ",
              tensor.sizes());
  return tensor.const_data_ptr<float>();
}

}  // namespace reward_model_score
