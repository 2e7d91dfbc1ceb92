#pragma once

#include <torch/script.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "compile/op_library.h"

namespace reward_model_score {

// An attribute of a stage's module. The type is explicit because a value alone does not tell an empty list's.
struct StageAttribute {
  std::string name;
  c10::TypePtr type;
  c10::IValue value;
};

// A stage's code. Modules of it differ in what their attributes hold.
class StageClass {
 public:
  StageClass(std::shared_ptr<torch::jit::CompilationUnit> unit, c10::ClassTypePtr type)
      : unit_(std::move(unit)), type_(std::move(type)) {}

  torch::jit::Module make(const std::vector<StageAttribute>& attributes) const;

 private:
  std::shared_ptr<torch::jit::CompilationUnit> unit_;
  c10::ClassTypePtr type_;
};

// Compiles the TorchScript source of stages.
class StageCompiler {
 public:
  explicit StageCompiler(const OpLibrary& library) : library_(library) {}

  // Stages with the same source and the same attribute types share one compiled class: the layers of a model
  // differ in their tensors only, and compiling them is what takes time. The attributes' values do not
  // matter. Throws ERR_MODEL_CONFIG with the compiler's message.
  StageClass compile(const std::string& name, const std::string& source,
                     const std::vector<StageAttribute>& attributes);

 private:
  const OpLibrary& library_;
  std::unordered_map<std::string, c10::ClassTypePtr> classes_;
};

}  // namespace reward_model_score
