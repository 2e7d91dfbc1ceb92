#pragma once

#include <torch/csrc/jit/api/module.h>

#include <string>

namespace reward_model_score {

// Reads a TorchScript archive onto the CPU. Throws Error: ERR_NOT_FOUND, ERR_NOT_TORCHSCRIPT or
// ERR_MODEL_CORRUPT.
torch::jit::Module read_archive(const std::string& path);

}  // namespace reward_model_score
