#pragma once

#include <memory>

#include "compile/program_spec.h"
#include "engine/program.h"
#include "run/stage_devices.h"
#include "weights/checkpoint.h"

namespace reward_model_score {

// Compiles a built-in program and binds it to the checkpoint's weights; see loadProgram in
// lib/native/binding.ts.
std::unique_ptr<Program> load_builtin_program(const ProgramSpec& spec,
                                              const std::shared_ptr<const Checkpoint>& checkpoint,
                                              at::ScalarType dtype, const StageDevices& devices,
                                              const Progress& progress);

}  // namespace reward_model_score
