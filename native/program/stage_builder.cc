#include "program/stage_builder.h"

#include "error.h"

namespace reward_model_score {
namespace {

c10::IValue to_ivalue(const AttributeValue& value) {
  return std::visit([](const auto& constant) { return c10::IValue(constant); }, value);
}

template <typename Visit>
void for_each_weight(const WeightEntry& entry, const Visit& visit) {
  if (const auto* one = std::get_if<WeightSpec>(&entry)) visit(*one);
  if (const auto* list = std::get_if<std::vector<WeightSpec>>(&entry)) {
    for (const auto& item : *list) visit(item);
  }
}

class StageBuilder {
 public:
  StageBuilder(WeightReader& reader, c10::Device device, const OpLibrary& library, const Progress& progress,
               int64_t total)
      : reader_(reader),
        device_(device),
        library_(library),
        compiler_(library),
        progress_(progress),
        total_(total) {}

  Stage build(const StageSpec& spec) {
    auto attributes = constants_of(spec.module);
    for (const auto& [name, entry] : spec.weights) attributes.push_back(attribute(spec.name, name, entry));
    return {spec.name, compiler_.compile(spec.name, spec.module.source, attributes)};
  }

 private:
  StageAttribute attribute(const std::string& stage, const std::string& name, const WeightEntry& entry) {
    if (const auto* one = std::get_if<WeightSpec>(&entry)) return {name, type_of(*one), load(*one)};
    const auto* list = std::get_if<std::vector<WeightSpec>>(&entry);
    if (list == nullptr) return {name, c10::NoneType::get(), {}};
    if (list->empty()) {
      throw Error("ERR_MODEL_CONFIG",
                  "The program's stage " + stage + " has an empty list of weights: " + name + ".");
    }
    const auto type = type_of(list->front());
    c10::impl::GenericList weights(type);
    for (const auto& item : *list) {
      if (item.kind != list->front().kind) {
        throw Error("ERR_MODEL_CONFIG",
                    "The program's stage " + stage + " mixes kinds of weights in " + name + ".");
      }
      weights.push_back(load(item));
    }
    return {name, c10::ListType::create(type), weights};
  }

  c10::TypePtr type_of(const WeightSpec& spec) const {
    return spec.kind == WeightSpec::Kind::kLinear ? library_.weight_type() : c10::TensorType::get();
  }

  c10::IValue load(const WeightSpec& spec) {
    c10::IValue value;
    if (spec.kind == WeightSpec::Kind::kLinear && library_.ops() == OpSet::kFused) {
      reader_.lend(spec, [&](const Weight& weight) { value = library_.weight(weight.tensor, weight.bias); });
    } else {
      auto weight = reader_.read(spec);
      weight.tensor = weight.tensor.to(device_);
      if (weight.bias) weight.bias = weight.bias->to(device_);
      value = spec.kind == WeightSpec::Kind::kLinear ? library_.weight(weight.tensor, weight.bias)
                                                     : c10::IValue(weight.tensor);
    }
    loaded_ += reader_.check(spec);
    progress_(total_ == 0 ? 1.0 : static_cast<double>(loaded_) / static_cast<double>(total_));
    return value;
  }

  WeightReader& reader_;
  c10::Device device_;
  const OpLibrary& library_;
  StageCompiler compiler_;
  const Progress& progress_;
  int64_t total_;
  int64_t loaded_ = 0;
};

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

BuiltStages build_stages(const ProgramSpec& spec, const Checkpoint& checkpoint, at::ScalarType dtype,
                         c10::Device device, const OpLibrary& library, const Progress& progress) {
  WeightReader reader(checkpoint, dtype);
  BuiltStages built;
  for (const auto& stage : spec.stages) {
    for (const auto& [name, entry] : stage.weights) {
      for_each_weight(entry, [&](const WeightSpec& weight) { built.bytes += reader.check(weight); });
    }
  }
  StageBuilder builder(reader, device, library, progress, built.bytes);
  for (const auto& stage : spec.stages) built.stages.push_back(builder.build(stage));
  return built;
}

}  // namespace reward_model_score
