#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "engine/program.h"

namespace reward_model_score {

struct ArchiveOptions {
  std::string path;
  c10::Device device;
  // Type of the archive's weights → what it computes in.
  std::map<at::ScalarType, at::ScalarType> dtypes;
  int64_t pad_token_id;
};

// Loads a TorchScript archive that somebody exported: forward(input_ids, attention_mask), both int64 [batch,
// length]. It runs on right-padded batches.
std::unique_ptr<Program> load_archive(const ArchiveOptions& options, const Progress& progress);

}  // namespace reward_model_score
