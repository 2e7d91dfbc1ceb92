#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "weights/checkpoint.h"

namespace reward_model_score {

// See WeightPart in lib/native/binding.ts.
struct WeightPart {
  struct Slice {
    int64_t dim;
    int64_t start;
    int64_t end;
  };
  std::string tensor;
  std::optional<std::vector<int64_t>> reshape;
  std::optional<Slice> slice;
  bool transpose = false;
  std::optional<std::vector<int64_t>> flatten;
};

// See WeightSpec in lib/native/binding.ts.
struct WeightSpec {
  enum class Kind { kLinear, kDense, kTable };
  Kind kind = Kind::kDense;
  bool model_dtype = false;  // else float32
  std::vector<WeightPart> parts;
  std::vector<std::optional<WeightPart>> bias;  // empty = no bias
  std::vector<int64_t> shape;
};

struct Weight {
  at::Tensor tensor;
  std::optional<at::Tensor> bias;
};

// Makes the tensors of a program out of those of a checkpoint.
class WeightReader {
 public:
  WeightReader(const Checkpoint& checkpoint, at::ScalarType model_dtype)
      : checkpoint_(checkpoint), model_dtype_(model_dtype) {}

  // Whether `read` will succeed, from the headers alone. Throws ERR_WEIGHTS with the tensor and its file.
  // Returns the bytes that the weight takes in memory.
  int64_t check(const WeightSpec& spec) const;

  // The weight, in memory of its own.
  Weight read(const WeightSpec& spec) const;
  // For a caller that makes its own copy, such as a packed one: hands out the mapped file itself where that
  // holds the weight as it is, else memory that the next call reuses. Valid only while `use` runs.
  void lend(const WeightSpec& spec, const std::function<void(const Weight&)>& use);

  // The weight as the mapped file holds it, in the file's own type, for a caller that reads a few rows at a
  // time; nothing if the file does not hold it in one piece.
  std::optional<at::Tensor> map(const WeightSpec& spec) const;
  // What was read of a mapped weight is not needed any more.
  void release(const WeightSpec& spec) const;

 private:
  at::ScalarType dtype_of(const WeightSpec& spec) const {
    return spec.model_dtype ? model_dtype_ : at::kFloat;
  }
  const StoredTensor& stored(const WeightPart& part) const;
  void assemble(const WeightSpec& spec, const at::Tensor& whole) const;
  std::optional<at::Tensor> assemble_bias(const WeightSpec& spec) const;
  void copy_in(const WeightPart& part, const at::Tensor& rows) const;
  void release(const StoredTensor& tensor) const;

  const Checkpoint& checkpoint_;
  at::ScalarType model_dtype_;
  // Fresh memory of the size of a layer's weights costs more page faults than filling it.
  at::Tensor scratch_;
};

}  // namespace reward_model_score
