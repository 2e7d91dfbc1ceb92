#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engine/program.h"

namespace reward_model_score {

struct ArchiveOptions {
  std::string path;
  c10::Device device;
  std::optional<at::ScalarType> dtype;  // none = the archive's own
  int64_t pad_token_id;
};

// Loads a TorchScript archive that somebody exported: forward(input_ids, attention_mask), both int64 [batch,
// length]. It runs on right-padded batches.
std::unique_ptr<Program> load_archive(const ArchiveOptions& options, const Progress& progress);

}  // namespace reward_model_score
