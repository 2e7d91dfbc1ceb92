#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include "archive/graph.h"
#include "archive/graph_match.h"

namespace reward_model_score {
namespace {

bool is_float32(Value* dtype) { return is_number(dtype, static_cast<double>(at::kFloat)); }

// Skips conversions to float32, which leave float32 as it is, and dropout that is switched off.
Value* without_conversions(Value* value) {
  while (true) {
    Node* node = value->node();
    const bool conversion =
        node->kind() == at::aten::to && node->inputs().size() == 5 && is_float32(node->input(1));
    const bool dropout = node->kind() == at::aten::dropout && is_number(node->input(2), 0);
    if (!conversion && !dropout) return value;
    value = node->input(0);
  }
}

// The node that uses the value alone, past conversions that are used alone.
Node* next_user(Value* value) {
  Node* user = only_user(value);
  while (user != nullptr && user->outputs().size() == 1 &&
         without_conversions(user->output()) != user->output()) {
    user = only_user(user->output());
  }
  return user;
}

bool is_last_dimension(Value* dims) {
  const auto list = torch::jit::toIValue(dims);
  return list && list->isIntList() && list->toIntVector() == std::vector<int64_t>{-1};
}

// weight * (x * rsqrt(mean(x²) + eps)), from its rsqrt on.
void fuse_rms_norm(Graph& graph, Node* root) {
  static const auto op = c10::Symbol::fromQualString("reward_model_score::rms_norm");
  Node* sum = made_by(root->input(0), at::aten::add);
  if (sum == nullptr || !constant_number(sum->input(1)) || !is_number(sum->input(2), 1)) return;
  Node* mean = made_by(sum->input(0), at::aten::mean);
  if (mean == nullptr || mean->inputs().size() != 4 || !is_last_dimension(mean->input(1))) return;
  Node* square = made_by(mean->input(0), at::aten::pow);
  if (square == nullptr || !is_number(square->input(1), 2)) return;
  Value* x = square->input(0);
  Node* scaled = only_user(root->output());
  if (scaled == nullptr || scaled->kind() != at::aten::mul) return;
  if (scaled->input(scaled->input(0) == root->output() ? 1 : 0) != x) return;
  Node* product = next_user(scaled->output());
  if (product == nullptr || product->kind() != at::aten::mul) return;
  for (Value* weight : product->inputs()) {
    const auto tensor = torch::jit::toIValue(weight);
    if (!tensor || !tensor->isTensor() || tensor->toTensor().dim() != 1) continue;
    if (tensor->toTensor().scalar_type() != at::kFloat) continue;
    torch::jit::WithInsertPoint here(product);
    Value* eps = graph.insertConstant(*constant_number(sum->input(1)));
    replace(graph, product, op, {x, weight, eps, graph.insertConstant(false)});
    return;
  }
}

// x * cos + cat(-x[split:], x[:split]) * sin, from its sum on.
void fuse_rotation(Graph& graph, Node* sum) {
  static const auto op = c10::Symbol::fromQualString("reward_model_score::archive_rotate");
  Node* straight = made_by(sum->input(0), at::aten::mul);
  Node* turned = made_by(sum->input(1), at::aten::mul);
  if (straight == nullptr || turned == nullptr || sum->inputs().size() != 3 || !is_number(sum->input(2), 1))
    return;
  Node* cat = made_by(turned->input(0), at::aten::cat);
  if (cat == nullptr || !is_number(cat->input(1), -1)) return;
  Node* list = made_by(cat->input(0), c10::prim::ListConstruct);
  if (list == nullptr || list->inputs().size() != 2) return;
  Node* negative = made_by(list->input(0), at::aten::neg);
  Node* front = made_by(list->input(1), at::aten::slice);
  Node* back = negative == nullptr ? nullptr : made_by(negative->input(0), at::aten::slice);
  if (front == nullptr || back == nullptr) return;
  Value* x = straight->input(0);
  const bool halves = front->input(0) == x && back->input(0) == x && is_number(front->input(2), 0) &&
                      front->input(3) == back->input(2) && is_number(front->input(4), 1) &&
                      is_number(back->input(4), 1);
  const bool last = is_number(front->input(1), 3) && is_number(back->input(1), 3);
  const auto end = constant_number(back->input(3));
  if (!halves || !last || !end || *end < 1e9) return;
  replace(graph, sum, op, {x, straight->input(1), turned->input(1), front->input(3)});
}

// softmax(query keyᵀ * scale + mask) value, from its softmax on.
void fuse_attention(Graph& graph, Node* softmax) {
  static const auto op = c10::Symbol::fromQualString("reward_model_score::archive_attention");
  if (!is_number(softmax->input(1), -1)) return;
  Node* masked = made_by(without_conversions(softmax->input(0)), at::aten::add);
  if (masked == nullptr || masked->inputs().size() != 3 || !is_number(masked->input(2), 1)) return;
  Node* scaled = made_by(masked->input(0), at::aten::mul);
  const auto scale = scaled == nullptr ? std::nullopt : constant_number(scaled->input(1));
  if (!scale) return;
  Node* scores = made_by(scaled->input(0), at::aten::matmul);
  Node* transposed = scores == nullptr ? nullptr : made_by(scores->input(1), at::aten::transpose);
  if (transposed == nullptr || !is_number(transposed->input(1), 2) || !is_number(transposed->input(2), 3))
    return;
  Node* product = next_user(softmax->output());
  if (product == nullptr || product->kind() != at::aten::matmul) return;
  if (without_conversions(product->input(0)) != softmax->output()) return;
  torch::jit::WithInsertPoint here(product);
  replace(graph, product, op,
          {scores->input(0), transposed->input(0), product->input(1), masked->input(1),
           graph.insertConstant(*scale)});
}

}  // namespace

void fuse_operations(const std::shared_ptr<Graph>& graph) {
  for (Node* node : nodes_of_kind(*graph, at::aten::rsqrt)) fuse_rms_norm(*graph, node);
  for (Node* node : nodes_of_kind(*graph, at::aten::softmax)) fuse_attention(*graph, node);
  for (Node* node : nodes_of_kind(*graph, at::aten::add)) fuse_rotation(*graph, node);
  torch::jit::EliminateDeadCode(graph);
}

}  // namespace reward_model_score
