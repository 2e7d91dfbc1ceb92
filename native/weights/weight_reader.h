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
  // See WeightScale in lib/native/binding.ts.
  struct Scale {
    std::string tensor;
    int64_t rows;
    int64_t columns;
  };
  // See WeightDelta in lib/native/binding.ts.
  struct Delta {
    std::optional<std::string> a;
    std::string b;
    double scale;
    bool transposed = false;
    std::optional<std::string> magnitude;
  };
  std::string tensor;
  std::optional<Scale> scale;
  std::optional<Delta> delta;
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

// Makes the tensors of a program out of those of a checkpoint. For one thread at a time.
class WeightReader {
 public:
  WeightReader(const Checkpoint& checkpoint, at::ScalarType model_dtype)
      : checkpoint_(checkpoint), model_dtype_(model_dtype) {}

  // Whether `read` will succeed, from the headers alone. Throws ERR_WEIGHTS with the tensor and its file.
  // Returns the bytes that the weight takes in memory.
  int64_t check(const WeightSpec& spec) const;

  // The type that the weight has in the model.
  at::ScalarType dtype_of(const WeightSpec& spec) const {
    return spec.model_dtype ? model_dtype_ : at::kFloat;
  }

  // The weight, in memory of its own.
  Weight read(const WeightSpec& spec);
  // For a caller that makes its own copy, such as a packed one: the weight in `dtype`, in memory that the
  // next call reuses. Valid only while `use` runs.
  void lend(const WeightSpec& spec, at::ScalarType dtype, const std::function<void(const Weight&)>& use);
  // Some of the weight's rows, from `begin` on.
  void read_rows(const WeightSpec& spec, int64_t begin, const at::Tensor& rows);
  std::optional<at::Tensor> read_bias(const WeightSpec& spec, at::ScalarType dtype);

  // Where the rows [rows, columns] of a weight lie in a file, each in one piece; nothing if they do not.
  struct RowsInFile {
    const StoredTensor& tensor;
    at::Tensor layout;
  };
  std::optional<RowsInFile> find_rows(const WeightSpec& spec) const;

 private:
  // What is added to a tensor, in memory in float32.
  struct Factors {
    std::string tensor;
    std::string b;
    at::Tensor left, right;  // their product is [rows, columns] of the tensor; without `right`, `left` is
    double scale;
    std::optional<at::Tensor> row_norms;       // wanted of each row
    std::optional<at::Tensor> column_factors;  // of each column
  };

  const StoredTensor& stored(const std::string& name) const;
  const StoredTensor& stored(const WeightPart& part) const { return stored(part.tensor); }
  void check_scale(const WeightPart& part) const;
  void read_part(const WeightPart& part, int64_t begin, const at::Tensor& rows);
  void read_scaled(const WeightPart& part, int64_t begin, const at::Tensor& rows);
  void scale_rows(const WeightPart& part, int64_t begin, const at::Tensor& rows);
  void check_delta(const WeightPart& part) const;
  void read_merged(const WeightPart& part, int64_t begin, const at::Tensor& rows);
  void merge_rows(const WeightPart& part, const Factors& factors, int64_t begin, const at::Tensor& rows);
  const Factors& factors_of(const WeightPart& part);
  at::Tensor column_norms(const WeightPart& part, const Factors& factors);
  at::Tensor read_float(const StoredTensor& tensor);
  at::Tensor read_elements(const StoredTensor& tensor, const at::Tensor& layout);
  void copy_elements(const StoredTensor& tensor, const at::Tensor& layout, const at::Tensor& to);

  const Checkpoint& checkpoint_;
  at::ScalarType model_dtype_;
  // Bytes. Fresh memory of the size of a layer's weights costs more page faults than filling it.
  at::Tensor scratch_;
  at::Tensor chunk_;
  at::Tensor codes_;
  at::Tensor sum_;
  at::Tensor product_;
  // Of the part that was read last: a weight may be read in pieces.
  std::optional<Factors> factors_;
};

}  // namespace reward_model_score
