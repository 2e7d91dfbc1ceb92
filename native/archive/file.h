#pragma once

#include <torch/csrc/jit/api/module.h>

#include <optional>
#include <string>

namespace reward_model_score {

// Reads a TorchScript archive onto the CPU. Throws Error: ERR_NOT_FOUND, ERR_NOT_TORCHSCRIPT or
// ERR_MODEL_CORRUPT.
torch::jit::Module read_archive(const std::string& path);

// The text of a file that was saved into an archive beside its program; nothing if it has none of that name.
// Throws as read_archive. Nothing of the program is read.
std::optional<std::string> read_extra_file(const std::string& path, const std::string& name);

}  // namespace reward_model_score
