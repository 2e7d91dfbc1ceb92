#include "compile/stage_compiler.h"

#include <torch/csrc/jit/frontend/ir_emitter.h>

#include "base/error.h"

namespace reward_model_score {
namespace {

std::string signature_of(const std::string& source, const std::vector<StageAttribute>& attributes) {
  std::string signature = source;
  for (const auto& attribute : attributes) {
    signature += '\0' + attribute.name + '\0' + attribute.type->annotation_str();
  }
  return signature;
}

}  // namespace

StageClass StageCompiler::compile(const std::string& name, const std::string& source,
                                  const std::vector<StageAttribute>& attributes) {
  const auto signature = signature_of(source, attributes);
  if (const auto found = classes_.find(signature); found != classes_.end()) {
    return {library_.unit(), found->second};
  }

  const auto qualified = library_.unit()->mangle(c10::QualifiedName("__torch__.reward_model_score.Stage"));
  auto type = c10::ClassType::create(qualified, library_.unit(), /*is_module=*/true);
  for (const auto& attribute : attributes) type->addAttribute(attribute.name, attribute.type);
  library_.unit()->register_type(type);
  try {
    const torch::jit::SimpleSelf self(type);
    library_.unit()->define(qualified, source, library_.resolver(), &self);
  } catch (const std::exception& error) {
    throw Error("ERR_MODEL_CONFIG", "The program's stage " + name + " does not compile: " + error.what());
  }
  if (type->findMethod("forward") == nullptr) {
    throw Error("ERR_MODEL_CONFIG", "The program's stage " + name + " has no method named forward.");
  }
  classes_.emplace(signature, type);
  return {library_.unit(), type};
}

torch::jit::Module StageClass::make(const std::vector<StageAttribute>& attributes) const {
  torch::jit::Module module(unit_, type_);
  for (const auto& attribute : attributes) module.setattr(attribute.name, attribute.value);
  return module;
}

}  // namespace reward_model_score
