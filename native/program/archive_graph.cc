#include "program/archive_graph.h"

#include <ATen/ops/cat.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <string>

#include "engine/interrupt.h"
#include "ops/packed_linear.h"
#include "program/graph_match.h"

namespace reward_model_score {
namespace {

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

Value* insert_packed(Graph& graph, Node* before, const LinearWeights& weights, at::ScalarType dtype) {
  check_interrupt();
  torch::jit::WithInsertPoint here(before);
  return graph.insertConstant(
      at::IValue(c10::make_intrusive<PackedLinear>(weights.weight.to(dtype), weights.bias)));
}

std::optional<std::string> activation_of(Node* node) {
  if (node->kind() == at::aten::silu) return "silu";
  if (node->kind() != at::aten::gelu) return std::nullopt;
  const auto approximate = torch::jit::toIValue(node->input(1));
  if (!approximate || !approximate->isString()) return std::nullopt;
  return approximate->toStringRef() == "tanh" ? "gelu_tanh" : "gelu";
}

// activation(linear(x, gate)) * linear(x, up), of which nothing else is used.
void pack_gated(Graph& graph, Node* product, at::ScalarType dtype) {
  static const auto op = c10::Symbol::fromQualString("reward_model_score::archive_gated_linear");
  for (const int side : {0, 1}) {
    Node* activation = product->input(side)->node();
    Node* up = made_by(product->input(1 - side), at::aten::linear);
    const auto name = activation_of(activation);
    if (!name || up == nullptr || !only_user(activation->output()) || !only_user(up->output())) continue;
    Node* gate = made_by(activation->input(0), at::aten::linear);
    if (gate == nullptr || gate->input(0) != up->input(0) || !only_user(gate->output())) continue;
    const auto first = constant_weights(gate), second = constant_weights(up);
    if (!first || !second || first->bias || second->bias || first->weight.sizes() != second->weight.sizes())
      continue;
    Value* packed =
        insert_packed(graph, product, {at::cat({first->weight, second->weight}), std::nullopt}, dtype);
    torch::jit::WithInsertPoint here(product);
    replace(graph, product, op, {gate->input(0), packed, graph.insertConstant(*name)});
    return;
  }
}

}  // namespace

void pack_linears(const std::shared_ptr<Graph>& graph, at::ScalarType dtype) {
  static const auto op = c10::Symbol::fromQualString("reward_model_score::archive_linear");
  for (Node* product : nodes_of_kind(*graph, at::aten::mul)) pack_gated(*graph, product, dtype);
  torch::jit::EliminateDeadCode(graph);
  for (Node* linear : nodes_of_kind(*graph, at::aten::linear)) {
    const auto weights = constant_weights(linear);
    if (!weights) continue;
    replace(*graph, linear, op, {linear->input(0), insert_packed(*graph, linear, *weights, dtype)});
    // Now, not at the end: the plain weight is freed before the next one is packed.
    linear->destroy();
  }
  torch::jit::EliminateDeadCode(graph);
}

}  // namespace reward_model_score
