#pragma once
#include <ATen/core/Tensor.h>

namespace reward_model_score::simulator {

bool is_simulated(const at::Tensor& tensor);
/** The same memory as a tensor of the CPU. */
at::Tensor on_cpu(const at::Tensor& tensor);

}  // namespace reward_model_score::simulator
