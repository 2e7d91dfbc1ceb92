#pragma once

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>

#include <functional>
#include <optional>
#include <vector>

namespace reward_model_score {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

// All nodes of a kind, also those inside ifs and loops.
inline void collect(Block* block, c10::Symbol kind, std::vector<Node*>& found) {
  for (Node* node : block->nodes()) {
    if (node->kind() == kind) found.push_back(node);
    for (Block* inner : node->blocks()) collect(inner, kind, found);
  }
}

inline std::vector<Node*> nodes_of_kind(Graph& graph, c10::Symbol kind) {
  std::vector<Node*> found;
  collect(graph.block(), kind, found);
  return found;
}

// The node that makes the value, if it is of that kind.
inline Node* made_by(Value* value, c10::Symbol kind) {
  return value->node()->kind() == kind ? value->node() : nullptr;
}

// The only node that uses the value, or null.
inline Node* only_user(Value* value) { return value->uses().size() == 1 ? value->uses()[0].user : nullptr; }

inline std::optional<double> constant_number(Value* value) {
  const auto constant = torch::jit::toIValue(value);
  if (!constant) return std::nullopt;
  if (constant->isInt()) return static_cast<double>(constant->toInt());
  if (constant->isBool()) return constant->toBool() ? 1.0 : 0.0;
  if (constant->isDouble()) return constant->toDouble();
  // A trace holds the numbers of the traced program as tensors without dimensions.
  if (constant->isTensor() && constant->toTensor().dim() == 0) return constant->toTensor().item<double>();
  return std::nullopt;
}

inline bool is_number(Value* value, double number) { return constant_number(value) == number; }

// Puts a node in the place of another, which stays to be removed as dead code.
inline Node* replace(Graph& graph, Node* old, c10::Symbol kind, const std::vector<Value*>& inputs) {
  Node* node = graph.create(kind, inputs);
  node->insertBefore(old);
  node->output()->setType(old->output()->type());
  old->output()->replaceAllUsesWith(node->output());
  return node;
}

}  // namespace reward_model_score
