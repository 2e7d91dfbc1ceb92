#include "compile/stage_attributes.h"

#include "base/error.h"
#include "ops/packed_weight.h"

namespace reward_model_score {
namespace {

c10::IValue to_ivalue(const AttributeValue& value) {
  return std::visit([](const auto& constant) { return c10::IValue(constant); }, value);
}

c10::TypePtr type_of(const WeightSpec& weight, const OpLibrary& library) {
  switch (weight.kind) {
    case WeightSpec::Kind::kLinear:
      return library.weight_type();
    case WeightSpec::Kind::kTable:
      return library.table_type();
    case WeightSpec::Kind::kDense:
      break;
  }
  return c10::TensorType::get();
}

c10::TypePtr type_of(const StageSpec& stage, const std::string& name, const WeightEntry& entry,
                     const OpLibrary& library) {
  if (const auto* one = std::get_if<WeightSpec>(&entry)) return type_of(*one, library);
  const auto* list = std::get_if<std::vector<WeightSpec>>(&entry);
  if (list == nullptr) return c10::NoneType::get();
  if (list->empty()) {
    throw Error("ERR_MODEL_CONFIG",
                "The program's stage " + stage.name + " has an empty list of weights: " + name + ".");
  }
  for (const auto& item : *list) {
    if (item.kind != list->front().kind) {
      throw Error("ERR_MODEL_CONFIG",
                  "The program's stage " + stage.name + " mixes kinds of weights in " + name + ".");
    }
  }
  return c10::ListType::create(type_of(list->front(), library));
}

}  // namespace

std::vector<StageAttribute> constants_of(const ModuleSource& module) {
  std::vector<StageAttribute> attributes;
  for (const auto& [name, value] : module.attributes) {
    auto constant = to_ivalue(value);
    auto type = constant.type();
    attributes.push_back({name, std::move(type), std::move(constant)});
  }
  return attributes;
}

std::vector<StageAttribute> declare_weights(const StageSpec& stage, const OpLibrary& library) {
  std::vector<StageAttribute> attributes;
  for (const auto& [name, entry] : stage.weights) {
    attributes.push_back({name, type_of(stage, name, entry, library), {}});
  }
  return attributes;
}

std::vector<c10::IValue> load_weights(const StageSpec& stage, const OpLibrary& library,
                                      const LoadWeight& load) {
  std::vector<c10::IValue> values;
  for (const auto& [name, entry] : stage.weights) {
    if (const auto* one = std::get_if<WeightSpec>(&entry)) {
      values.push_back(load(*one));
    } else if (const auto* list = std::get_if<std::vector<WeightSpec>>(&entry)) {
      c10::impl::GenericList loaded(type_of(list->front(), library));
      for (const auto& item : *list) loaded.push_back(load(item));
      values.emplace_back(std::move(loaded));
    } else {
      values.emplace_back();
    }
  }
  return values;
}

int64_t bytes_of(const c10::IValue& value) {
  int64_t bytes = 0;
  if (value.isTensor()) {
    if (value.toTensor().defined()) bytes = static_cast<int64_t>(value.toTensor().nbytes());
  } else if (value.isTuple()) {
    for (const auto& element : value.toTupleRef().elements()) bytes += bytes_of(element);
  } else if (value.isList()) {
    for (const c10::IValue& item : value.toListRef()) bytes += bytes_of(item);
  } else if (value.isCustomClass()) {
    const auto holder = value.toObjectRef().getSlot(0).toCapsule();
    if (const auto* packed = dynamic_cast<const PackedWeight*>(holder.get())) bytes = packed->bytes();
  }
  return bytes;
}

void for_each_weight(const StageSpec& stage, const std::function<void(const WeightSpec&)>& visit) {
  for (const auto& [name, entry] : stage.weights) {
    if (const auto* one = std::get_if<WeightSpec>(&entry)) visit(*one);
    if (const auto* list = std::get_if<std::vector<WeightSpec>>(&entry)) {
      for (const auto& item : *list) visit(item);
    }
  }
}

}  // namespace reward_model_score
