#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "weights/model_file.h"

namespace reward_model_score {

// A tensor of a checkpoint's file.
struct StoredTensor {
  std::string name;
  std::string dtype;  // in the spelling of safetensors
  std::vector<int64_t> shape;
  // Without data: its type and strides are those of the elements in the file, of which the first is at the
  // byte `begin`. Not defined for a dtype that libtorch has no type for.
  at::Tensor layout;
  uint64_t begin = 0;
  int file = 0;  // index into the checkpoint's paths
};

// Type of a safetensors dtype that weights may have.
std::optional<at::ScalarType> scalar_type(const std::string& dtype);

// From the first element of a tensor to the last one, in elements.
uint64_t extent_of(const at::Tensor& layout);

// ERR_MODEL_CORRUPT with the file and, if one is to blame, the tensor.
[[noreturn]] void refuse_file(const std::string& path, const std::string& what,
                              const std::string& tensor = "");

// The tensors of a safetensors file, every claim of its header checked against the file.
std::vector<StoredTensor> read_safetensors(const ModelFile& file);

// The tensors of a state dict saved by torch.save in its zip format, or of the module of a TorchScript
// archive. Nothing of its pickle or its code is executed.
std::vector<StoredTensor> read_torch_zip(const ModelFile& file);

// The tensors of a state dict saved by torch.save in its format before version 1.6, as carefully.
std::vector<StoredTensor> read_torch_legacy(const ModelFile& file);
bool is_torch_legacy(const ModelFile& file);

}  // namespace reward_model_score
