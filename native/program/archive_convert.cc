#include "program/archive_convert.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/runtime/operator.h>

#include <functional>
#include <vector>

namespace reward_model_score {
namespace {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

void for_each_node(Block* block, const std::function<void(Node*)>& visit) {
  const std::vector<Node*> nodes(block->nodes().begin(), block->nodes().end());
  for (Node* node : nodes) {
    for (Block* inner : node->blocks()) for_each_node(inner, visit);
    visit(node);
  }
}

void replace_constant(Graph& graph, Node* constant, const at::IValue& value) {
  torch::jit::WithInsertPoint here(constant);
  constant->output()->replaceAllUsesWith(graph.insertConstant(value));
  constant->destroy();
}

}  // namespace

void convert_dtype(Graph& graph, at::ScalarType from, at::ScalarType to) {
  for_each_node(graph.block(), [&](Node* node) {
    if (node->kind() == c10::prim::Constant) {
      const auto value = torch::jit::toIValue(node->output());
      if (!value || !value->isTensor() || value->toTensor().scalar_type() != from) return;
      replace_constant(graph, node, value->toTensor().to(to));
      return;
    }
    const c10::FunctionSchema* schema = node->maybeSchema();
    if (schema == nullptr) return;
    for (size_t index = 0; index < schema->arguments().size(); ++index) {
      if (schema->arguments()[index].name() != "dtype") continue;
      const auto value = torch::jit::toIValue(node->input(index));
      if (!value || !value->isInt() || value->toInt() != static_cast<int64_t>(from)) continue;
      torch::jit::WithInsertPoint here(node);
      node->replaceInput(index, graph.insertConstant(static_cast<int64_t>(to)));
    }
  });
}

void move_to_device(Graph& graph, c10::Device device) {
  for_each_node(graph.block(), [&](Node* node) {
    if (node->kind() != c10::prim::Constant) return;
    const auto value = torch::jit::toIValue(node->output());
    if (!value) return;
    if (value->isTensor()) replace_constant(graph, node, value->toTensor().to(device));
    if (value->isDevice()) replace_constant(graph, node, device);
  });
}

}  // namespace reward_model_score
