#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "weights/mapped_file.h"

namespace reward_model_score {

// A tensor of a checkpoint's file.
struct StoredTensor {
  std::string name;
  std::string dtype;  // in the spelling of safetensors
  std::vector<int64_t> shape;
  // The bytes in the mapped file, which may lie at any address; not defined for a dtype that libtorch has no
  // type for.
  at::Tensor data;
  int file = 0;  // index into the checkpoint's paths
};

// Type of a safetensors dtype that weights may have.
std::optional<at::ScalarType> scalar_type(const std::string& dtype);

// ERR_MODEL_CORRUPT with the file and, if one is to blame, the tensor.
[[noreturn]] void refuse_file(const std::string& path, const std::string& what,
                              const std::string& tensor = "");

// The tensors of a safetensors file, every claim of its header checked against the file.
std::vector<StoredTensor> read_safetensors(const MappedFile& file);

// The tensors of a state dict saved by torch.save in its zip format, or of the module of a TorchScript
// archive. Nothing of its pickle or its code is executed.
std::vector<StoredTensor> read_torch_zip(const MappedFile& file);

}  // namespace reward_model_score
