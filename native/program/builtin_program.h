#pragma once

#include <memory>

#include "placement/device_map.h"
#include "program/program.h"
#include "program/program_spec.h"
#include "weights/checkpoint.h"

namespace reward_model_score {

// Compiles a built-in program and binds it to the checkpoint's weights; see loadProgram in
// lib/native/binding.ts.
std::unique_ptr<Program> load_builtin_program(const ProgramSpec& spec,
                                              const std::shared_ptr<const Checkpoint>& checkpoint,
                                              at::ScalarType dtype, const DeviceMap& map,
                                              const Progress& progress);

}  // namespace reward_model_score
