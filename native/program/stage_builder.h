#pragma once

#include <functional>
#include <string>
#include <vector>

#include "program/op_library.h"
#include "program/program.h"
#include "program/program_spec.h"
#include "program/stage_compiler.h"
#include "weights/checkpoint.h"

namespace reward_model_score {

struct Stage {
  std::string name;
  torch::jit::Module module;
};

struct BuiltStages {
  std::vector<Stage> stages;
  int64_t bytes = 0;  // of weights
};

// The attributes of a module that are no weights.
std::vector<StageAttribute> constants_of(const ModuleSource& module);

// Checks every weight of the program against the checkpoint's headers before it takes memory for the first,
// compiles the stages, and reads their weights one at a time.
BuiltStages build_stages(const ProgramSpec& spec, const Checkpoint& checkpoint, at::ScalarType dtype,
                         c10::Device device, const OpLibrary& library, const Progress& progress);

}  // namespace reward_model_score
