#pragma once

#include <c10/core/Device.h>
#include <torch/csrc/jit/api/module.h>

namespace reward_model_score {

// Bytes of the weights that a frozen module holds, as they are now: tensors that share memory count once, and
// packed ones with what they take.
int64_t bytes_held(const torch::jit::Module& module);

// Makes a frozen module compute in `to` where it computed in `from`: its tensors, and the types that it
// names.
void convert_dtype(torch::jit::Module& module, at::ScalarType from, at::ScalarType to);

// Makes a frozen module run on `device`, whatever device it was made on: its tensors, and the devices that it
// names, for example in arange(…, device=cpu). A trace holds both as constants of its graph.
void move_to_device(torch::jit::Module& module, c10::Device device);

}  // namespace reward_model_score
