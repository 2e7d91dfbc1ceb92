#include "archive/graph.h"

#include <ATen/ops/cat.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <string>

#include "archive/graph_match.h"
#include "base/interrupt.h"
#include "ops/float_linear.h"

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
  return graph.insertConstant(at::IValue(float_linear(weights.weight.to(dtype), weights.bias, dtype)));
}

Value* insert_conversion(Graph& graph, Value* x, at::ScalarType dtype) {
  return graph.insert(at::aten::to, {x, static_cast<int64_t>(dtype), false, false, c10::IValue()});
}

void narrow_constant(Graph& graph, Node* user, size_t input, at::ScalarType dtype) {
  const auto constant = torch::jit::toIValue(user->input(input));
  if (constant && constant->isTensor())
    user->replaceInput(input, graph.insertConstant(constant->toTensor().to(dtype)));
}

void widen_output(Graph& graph, Node* node) {
  torch::jit::WithInsertPoint after(node->next());
  Value* wide = insert_conversion(graph, node->output(), at::kFloat);
  node->output()->replaceAllUsesAfterNodeWith(wide->node(), wide);
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

void narrow_products(const std::shared_ptr<Graph>& graph, at::ScalarType dtype) {
  const auto holds_float32 = [](Value* weight) {
    const auto constant = torch::jit::toIValue(weight);
    return constant && constant->isTensor() && constant->toTensor().scalar_type() == at::kFloat;
  };
  for (Node* linear : nodes_of_kind(*graph, at::aten::linear)) {
    check_interrupt();
    if (!holds_float32(linear->input(1))) continue;
    torch::jit::WithInsertPoint here(linear);
    linear->replaceInput(0, insert_conversion(*graph, linear->input(0), dtype));
    narrow_constant(*graph, linear, 1, dtype);
    narrow_constant(*graph, linear, 2, dtype);
    widen_output(*graph, linear);
  }
  for (Node* embedding : nodes_of_kind(*graph, at::aten::embedding)) {
    if (!holds_float32(embedding->input(0))) continue;
    torch::jit::WithInsertPoint here(embedding);
    narrow_constant(*graph, embedding, 0, dtype);
    widen_output(*graph, embedding);
  }
  torch::jit::EliminateDeadCode(graph);
}

}  // namespace reward_model_score
