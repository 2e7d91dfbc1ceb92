#include "program/archive_graph.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/custom_class.h>

#include <optional>
#include <vector>

#include "engine/interrupt.h"
#include "ops/packed_linear.h"

namespace reward_model_score {
namespace {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

void collect_linears(Block* block, std::vector<Node*>& linears) {
  for (Node* node : block->nodes()) {
    if (node->kind() == at::aten::linear) linears.push_back(node);
    for (Block* inner : node->blocks()) collect_linears(inner, linears);
  }
}

struct LinearWeights {
  at::Tensor weight;
  std::optional<at::Tensor> bias;
};

std::optional<LinearWeights> constant_weights(Node* linear) {
  const auto weight = torch::jit::toIValue(linear->input(1));
  const auto bias = torch::jit::toIValue(linear->input(2));
  if (!weight || !weight->isTensor() || !bias) return std::nullopt;
  const at::Tensor tensor = weight->toTensor();
  if (tensor.dim() != 2 || !tensor.is_cpu() || tensor.layout() != at::kStrided ||
      !tensor.is_floating_point()) {
    return std::nullopt;
  }
  if (bias->isNone()) return LinearWeights{tensor, std::nullopt};
  return LinearWeights{tensor, bias->toTensor()};
}

}  // namespace

int64_t pack_linears(Graph& graph, at::ScalarType dtype) {
  static const auto op = c10::Symbol::fromQualString("reward_model_score::archive_linear");
  std::vector<Node*> linears;
  collect_linears(graph.block(), linears);
  int64_t bytes = 0;
  for (Node* linear : linears) {
    check_interrupt();
    const auto weights = constant_weights(linear);
    if (!weights) continue;
    auto packed = c10::make_intrusive<PackedLinear>(weights->weight.to(dtype), weights->bias);
    bytes += packed->bytes();
    torch::jit::WithInsertPoint here(linear);
    Value* constant = graph.insertConstant(at::IValue(std::move(packed)));
    Node* replacement = graph.create(op, {linear->input(0), constant});
    replacement->output()->setType(linear->output()->type());
    graph.insertNode(replacement);
    linear->output()->replaceAllUsesWith(replacement->output());
    linear->destroy();
  }
  return bytes;
}

}  // namespace reward_model_score
