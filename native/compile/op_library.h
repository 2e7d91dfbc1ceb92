#pragma once

#include <torch/csrc/jit/frontend/resolver.h>
#include <torch/script.h>

#include <memory>
#include <optional>
#include <string>

namespace reward_model_score {

// Which implementation of the op vocabulary a program is compiled against.
enum class OpSet {
  // TorchScript functions: any device, and the only ones that an exported archive may hold.
  kReference,
  // Custom ops `reward_model_score::<name>` for the CPU on packed weights; an op without one is its
  // reference.
  kFused,
  // Custom ops `reward_model_score_device::<name>` for any device on the reference's weights, and the same.
  kDevice,
};

// The op vocabulary as the sources of programs see it: names of ops, `torch`, and the type `W` of a linear's
// weight.
class OpLibrary {
 public:
  // `reference` is the TorchScript source of the reference implementations. Throws ERR_MODEL_CONFIG if it
  // does not compile.
  OpLibrary(OpSet ops, const std::string& reference);

  OpSet ops() const { return ops_; }
  c10::TypePtr weight_type() const { return weight_type_; }
  c10::TypePtr table_type() const;
  // What a linear's weight in a model of `dtype` is wanted in.
  at::ScalarType weight_dtype(at::ScalarType dtype) const;
  // A linear's weight [out, in] and bias [out], both in that, as its ops take it. Packing copies; the
  // reference keeps the tensors.
  c10::IValue weight(const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                     at::ScalarType dtype) const;
  // A table [rows, columns] as `lookup` takes it.
  c10::IValue table(const at::Tensor& table) const;
  const torch::jit::ResolverPtr& resolver() const { return resolver_; }
  // Where types and functions of the program live; shared so that equal stages share one type.
  const std::shared_ptr<torch::jit::CompilationUnit>& unit() const { return unit_; }

 private:
  OpSet ops_;
  c10::TypePtr weight_type_;
  std::shared_ptr<torch::jit::CompilationUnit> unit_;
  torch::jit::ResolverPtr resolver_;
};

}  // namespace reward_model_score
