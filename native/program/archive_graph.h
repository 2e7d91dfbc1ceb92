#pragma once

#include <torch/csrc/jit/ir/ir.h>

namespace reward_model_score {

// Replaces the linears of a frozen graph whose weights are constants on the CPU by packed ones. `dtype` is
// what their products are computed in. Returns the bytes of the packed weights.
int64_t pack_linears(torch::jit::Graph& graph, at::ScalarType dtype);

}  // namespace reward_model_score
