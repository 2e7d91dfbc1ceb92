#include "archive/convert.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/runtime/operator.h>

#include <functional>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/interrupt.h"
#include "compile/stage_attributes.h"

namespace reward_model_score {
namespace {

using torch::jit::Block;
using torch::jit::Module;
using torch::jit::Node;
using torch::jit::Use;
using torch::jit::Value;

using Convert = std::function<at::Tensor(const at::Tensor&)>;

// Also those inside ifs, loops and forks.
void for_each_node(Block* block, const std::function<void(Node*)>& visit) {
  const std::vector<Node*> nodes(block->nodes().begin(), block->nodes().end());
  for (Node* node : nodes) {
    for (Block* inner : node->blocks()) for_each_node(inner, visit);
    if (node->hasAttribute(c10::attr::Subgraph)) for_each_node(node->g(c10::attr::Subgraph)->block(), visit);
    visit(node);
  }
}

void for_each_node(const Module& module, const std::function<void(Node*)>& visit) {
  for_each_node(module.get_method("forward").graph()->block(), visit);
}

Value* insert_constant(Node* before, const at::IValue& value) {
  torch::jit::WithInsertPoint here(before);
  return before->owningGraph()->insertConstant(value);
}

void replace_constant(Node* constant, const at::IValue& value) {
  constant->output()->replaceAllUsesWith(insert_constant(constant, value));
  constant->destroy();
}

bool is_container(const at::IValue& value) {
  return value.isList() || value.isTuple() || value.isGenericDict();
}

// The same value with other tensors in it, however deep in lists, tuples and dicts.
at::IValue convert_tensors(const at::IValue& value, const Convert& convert) {
  if (value.isTensor()) return convert(value.toTensor());
  if (value.isList()) {
    c10::impl::GenericList list(value.toList().elementType());
    for (const at::IValue& item : value.toListRef()) list.push_back(convert_tensors(item, convert));
    return list;
  }
  if (value.isTuple()) {
    std::vector<at::IValue> elements;
    for (const at::IValue& element : value.toTupleRef().elements())
      elements.push_back(convert_tensors(element, convert));
    return c10::ivalue::Tuple::createNamed(std::move(elements), value.toTupleRef().type<c10::TupleType>());
  }
  if (value.isGenericDict()) {
    const auto dict = value.toGenericDict();
    c10::impl::GenericDict converted(dict.keyType(), dict.valueType());
    for (const auto& entry : dict) converted.insert(entry.key(), convert_tensors(entry.value(), convert));
    return converted;
  }
  return value;
}

// Freezing leaves a module those attributes that its forward changes.
void convert_attributes(const Module& root, const Convert& convert) {
  for (Module module : root.modules()) {
    for (const auto& attribute : module.named_attributes(/*recurse=*/false)) {
      if (attribute.value.isTensor() || is_container(attribute.value))
        module.setattr(attribute.name, convert_tensors(attribute.value, convert));
    }
  }
}

// Operations that take a tensor without dimensions on the CPU for a number, on whatever device the other one
// is.
bool takes_number(Node* user) {
  static const std::unordered_set<std::string_view> kinds{
      "aten::add",         "aten::sub",
      "aten::rsub",        "aten::mul",
      "aten::div",         "aten::remainder",
      "aten::pow",         "aten::floor_divide",
      "aten::eq",          "aten::ne",
      "aten::lt",          "aten::le",
      "aten::gt",          "aten::ge",
      "aten::Int",         "aten::Float",
      "aten::Bool",        "aten::ScalarImplicit",
      "aten::IntImplicit", "aten::FloatImplicit",
      "aten::item",
  };
  return kinds.count(user->kind().toQualString()) != 0;
}

// A trace holds the numbers of the traced program as tensors without dimensions, and reckons lengths with
// them. On an accelerator every such length would have to be waited for.
void move_number(Node* constant, const at::Tensor& number, c10::Device device) {
  Value* moved = nullptr;
  for (const Use& use : std::vector<Use>(constant->output()->uses())) {
    if (takes_number(use.user)) continue;
    if (moved == nullptr) moved = insert_constant(constant, number.to(device));
    use.user->replaceInput(use.offset, moved);
  }
  if (!number.is_cpu()) replace_constant(constant, number.cpu());
}

void move_constant(Node* constant, c10::Device device) {
  const auto value = torch::jit::toIValue(constant->output());
  if (!value) return;
  if (value->isDevice()) {
    if (value->toDevice() != device) replace_constant(constant, device);
  } else if (value->isTensor()) {
    const at::Tensor& tensor = value->toTensor();
    if (tensor.device() == device) return;
    if (tensor.dim() == 0) return move_number(constant, tensor, device);
    replace_constant(constant, tensor.to(device));
  } else if (is_container(*value)) {
    replace_constant(constant,
                     convert_tensors(*value, [&](const auto& tensor) { return tensor.to(device); }));
  }
}

}  // namespace

int64_t bytes_held(const Module& module) {
  int64_t bytes = 0;
  std::unordered_set<const c10::StorageImpl*> counted;
  const auto count = [&](const at::IValue& value) {
    const bool tensor = value.isTensor() && value.toTensor().defined();
    if (tensor && !counted.insert(value.toTensor().storage().unsafeGetStorageImpl()).second) return;
    // Numbers of the program, not weights.
    if (tensor && value.toTensor().dim() == 0) return;
    bytes += bytes_of(value);
  };
  for (const Module& part : module.modules()) {
    for (const auto& attribute : part.named_attributes(/*recurse=*/false)) count(attribute.value);
  }
  for_each_node(module, [&](Node* node) {
    if (node->kind() != c10::prim::Constant) return;
    if (const auto value = torch::jit::toIValue(node->output())) count(*value);
  });
  return bytes;
}

void convert_dtype(Module& module, at::ScalarType from, at::ScalarType to) {
  const auto convert = [&](const at::Tensor& tensor) {
    return tensor.scalar_type() == from ? tensor.to(to) : tensor;
  };
  convert_attributes(module, convert);
  for_each_node(module, [&](Node* node) {
    if (node->kind() == c10::prim::Constant) {
      const auto value = torch::jit::toIValue(node->output());
      const bool converts =
          value && (is_container(*value) || (value->isTensor() && value->toTensor().scalar_type() == from));
      if (converts) replace_constant(node, convert_tensors(*value, convert));
      return;
    }
    const c10::FunctionSchema* schema = node->maybeSchema();
    if (schema == nullptr) return;
    for (size_t index = 0; index < schema->arguments().size(); ++index) {
      if (schema->arguments()[index].name() != "dtype") continue;
      const auto value = torch::jit::toIValue(node->input(index));
      if (!value || !value->isInt() || value->toInt() != static_cast<int64_t>(from)) continue;
      node->replaceInput(index, insert_constant(node, static_cast<int64_t>(to)));
    }
  });
}

void move_to_device(Module& module, c10::Device device) {
  convert_attributes(module, [&](const at::Tensor& tensor) { return tensor.to(device); });
  for_each_node(module, [&](Node* node) {
    check_interrupt();
    if (node->kind() == c10::prim::Constant) return move_constant(node, device);
    // x.cpu() and x.cuda() in a script: everything is where it should be.
    const std::string_view kind = node->kind().toQualString();
    if (kind == "aten::cpu" || kind == "aten::cuda") {
      node->output()->replaceAllUsesWith(node->input());
      node->destroy();
    }
  });
}

}  // namespace reward_model_score
