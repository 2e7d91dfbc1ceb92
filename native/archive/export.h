#pragma once

#include <map>
#include <string>

#include "compile/program_spec.h"
#include "engine/program.h"
#include "weights/checkpoint.h"

namespace reward_model_score {

// The modules that make a packed batch of a padded one; see ExportOptions in lib/native/binding.ts.
struct PaddedInput {
  ModuleSource pooling;
  ModuleSource packing;
  std::map<std::string, std::string> fields;
};

// Saves the program, compiled from reference ops and bound to its weights, as a TorchScript archive whose
// `forward(input_ids, attention_mask, ...fields)` takes int64 [B, T] each and returns float32 [B, labels].
// The file appears under its name only when it is complete.
void export_program(const ProgramSpec& spec, const PaddedInput& input, const Checkpoint& checkpoint,
                    at::ScalarType dtype, const std::string& output, const Progress& progress);

}  // namespace reward_model_score
