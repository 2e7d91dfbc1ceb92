#pragma once

#include <napi.h>

namespace reward_model_score::simulator {

// Simulator of test/native/engine-test.ts.
Napi::Object binding(Napi::Env env);

}  // namespace reward_model_score::simulator
