#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <memory>

namespace reward_model_score {

// Replaces the linears of a frozen graph whose weights are constants on the CPU by packed ones; a gate and
// its counterpart become one. `dtype` is what their products are computed in.
void pack_linears(const std::shared_ptr<torch::jit::Graph>& graph, at::ScalarType dtype);

// The same on any device, in the library's own operations and for a graph that computes in float32: linears
// and embeddings whose weights are constants hold them in `dtype`, and everything else stays as it is.
void narrow_products(const std::shared_ptr<torch::jit::Graph>& graph, at::ScalarType dtype);

// Replaces the norms, rotations and attentions that transformers' models write out in small operations. Only
// for graphs that compute in float32 on the CPU.
void fuse_operations(const std::shared_ptr<torch::jit::Graph>& graph);

}  // namespace reward_model_score
