#pragma once

#include <torch/script.h>

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "program/op_library.h"

namespace reward_model_score {

// An attribute of a stage's module. The type is explicit because a value alone does not tell an empty list's.
struct StageAttribute {
  std::string name;
  c10::TypePtr type;
  c10::IValue value;
};

// Compiles the TorchScript source of stages into modules.
class StageCompiler {
 public:
  explicit StageCompiler(const OpLibrary& library) : library_(library) {}

  // Stages with the same source and the same attribute types share one compiled class: the layers of a model
  // differ in their tensors only, and compiling them is what takes time. Throws ERR_MODEL_CONFIG with the
  // compiler's message.
  torch::jit::Module compile(const std::string& name, const std::string& source,
                             const std::vector<StageAttribute>& attributes);

 private:
  c10::ClassTypePtr class_for(const std::string& name, const std::string& source,
                              const std::vector<StageAttribute>& attributes);

  const OpLibrary& library_;
  std::unordered_map<std::string, c10::ClassTypePtr> classes_;
};

}  // namespace reward_model_score
