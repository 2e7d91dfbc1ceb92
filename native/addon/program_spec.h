#pragma once

#include <napi.h>

#include "compile/program_spec.h"

namespace reward_model_score {

// Copies a ProgramSpec, or the `pooling` of ExportOptions, out of JavaScript; throws Error.
ProgramSpec read_program_spec(const Napi::Value& value);
ModuleSource read_module_source(const Napi::Value& value);

}  // namespace reward_model_score
