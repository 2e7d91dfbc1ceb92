#include "compile/op_library.h"

#include "base/error.h"
#include "ops/float_linear.h"
#include "ops/lookup_table.h"

namespace reward_model_score {
namespace {

using torch::jit::CompilationUnit;

// Qualified as Python's own types are, so that an archive that holds the functions loads there.
constexpr char kReferencePrefix[] = "__torch__.reward_model_score";

// Where the custom ops of a set are; empty if it has none.
std::string namespace_of(OpSet ops) {
  switch (ops) {
    case OpSet::kReference:
      return "";
    case OpSet::kFused:
      return "reward_model_score::";
    case OpSet::kDevice:
      return "reward_model_score_device::";
  }
  return "";
}

class OpResolver : public torch::jit::Resolver {
 public:
  OpResolver(OpSet ops, c10::TypePtr weight_type, std::weak_ptr<CompilationUnit> unit)
      : namespace_(namespace_of(ops)), weight_type_(std::move(weight_type)), unit_(std::move(unit)) {}

  std::shared_ptr<torch::jit::SugaredValue> resolveValue(const std::string& name,
                                                         torch::jit::GraphFunction& /*caller*/,
                                                         const torch::jit::SourceRange& /*range*/) override {
    if (name == "torch") return std::make_shared<torch::jit::BuiltinModule>("aten");
    if (!namespace_.empty()) {
      const auto symbol = c10::Symbol::fromQualString(namespace_ + name);
      if (!torch::jit::getAllOperatorsFor(symbol).empty()) {
        return std::make_shared<torch::jit::BuiltinFunction>(symbol, std::nullopt);
      }
    }
    if (const auto unit = unit_.lock()) {
      if (auto* function = unit->find_function(c10::QualifiedName(kReferencePrefix, name))) {
        return std::make_shared<torch::jit::FunctionValue>(function);
      }
    }
    return nullptr;
  }

  c10::TypePtr resolveType(const std::string& name, const torch::jit::SourceRange& /*range*/) override {
    return name == "W" ? weight_type_ : nullptr;
  }

 private:
  const std::string namespace_;
  c10::TypePtr weight_type_;
  // The unit owns functions that were compiled with this resolver; owning it back would leak both.
  std::weak_ptr<CompilationUnit> unit_;
};

c10::TypePtr reference_weight_type() {
  return c10::TupleType::create({c10::TensorType::get(), c10::OptionalType::ofTensor()});
}

c10::TypePtr fused_weight_type() {
  return torch::getCustomClass("__torch__.torch.classes.reward_model_score.PackedLinear");
}

}  // namespace

c10::TypePtr OpLibrary::table_type() const {
  if (ops_ != OpSet::kFused) return c10::TensorType::get();
  return torch::getCustomClass("__torch__.torch.classes.reward_model_score.LookupTable");
}

at::ScalarType OpLibrary::weight_dtype(at::ScalarType dtype) const {
  return ops_ == OpSet::kFused ? packed_dtype(dtype) : dtype;
}

c10::IValue OpLibrary::table(const at::Tensor& table) const {
  if (ops_ == OpSet::kFused) return table_in_memory(table);
  return table;
}

c10::IValue OpLibrary::weight(const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                              at::ScalarType dtype) const {
  if (ops_ == OpSet::kFused) return float_linear(weight, bias, dtype);
  return c10::ivalue::Tuple::create(c10::IValue(weight), bias ? c10::IValue(*bias) : c10::IValue());
}

OpLibrary::OpLibrary(OpSet ops, const std::string& reference)
    : ops_(ops),
      weight_type_(ops == OpSet::kFused ? fused_weight_type() : reference_weight_type()),
      unit_(std::make_shared<CompilationUnit>()),
      resolver_(std::make_shared<OpResolver>(ops, weight_type_, unit_)) {
  try {
    // Reference ops take reference weights whatever the program is compiled against.
    unit_->define(c10::QualifiedName(kReferencePrefix), reference,
                  std::make_shared<OpResolver>(OpSet::kReference, reference_weight_type(), unit_),
                  /*self=*/nullptr);
  } catch (const std::exception& error) {
    throw Error("ERR_MODEL_CONFIG", std::string("The reference ops do not compile: ") + error.what());
  }
}

}  // namespace reward_model_score
