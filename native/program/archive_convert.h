#pragma once

#include <c10/core/Device.h>
#include <torch/csrc/jit/ir/ir.h>

namespace reward_model_score {

// Makes a frozen graph compute in `to` where it computed in `from`: its constants, and the types that it
// names.
void convert_dtype(torch::jit::Graph& graph, at::ScalarType from, at::ScalarType to);

// Makes a frozen graph run on `device`: a trace holds the device that it was made on as constants, for
// example in arange(…, device=cpu).
void move_to_device(torch::jit::Graph& graph, c10::Device device);

}  // namespace reward_model_score
