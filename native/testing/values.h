#pragma once

#include <ATen/core/ivalue.h>
#include <napi.h>

#include "compile/op_library.h"

namespace reward_model_score {

// Values of test/helpers/engine-test.ts to and from TorchScript's. A linear's weight becomes what `library`
// takes.
c10::IValue to_ivalue(const Napi::Value& value, const OpLibrary& library);
Napi::Value from_ivalue(Napi::Env env, const c10::IValue& value);

}  // namespace reward_model_score
