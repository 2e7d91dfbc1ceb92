#pragma once

#include <string>

#include "program/program.h"
#include "program/program_spec.h"
#include "weights/checkpoint.h"

namespace reward_model_score {

// Saves the program, compiled from reference ops and bound to its weights, as a TorchScript archive whose
// `forward(input_ids, attention_mask)` takes int64 [B, T] twice and returns float32 [B, labels]. `pooling` is
// the module of ExportOptions in lib/native/binding.ts. The file appears under its name only when it is
// complete.
void export_program(const ProgramSpec& spec, const ModuleSource& pooling, const Checkpoint& checkpoint,
                    at::ScalarType dtype, const std::string& output, const Progress& progress);

}  // namespace reward_model_score
