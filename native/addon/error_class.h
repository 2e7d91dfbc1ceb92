#pragma once

#include <napi.h>

#include "base/failure.h"

namespace reward_model_score {

// A RewardModelScoreError with the failure's code, message and details.
Napi::Value make_error(Napi::Env env, const Failure& failure);

// Throws the failure as a RewardModelScoreError.
[[noreturn]] void throw_error(Napi::Env env, const Failure& failure);

}  // namespace reward_model_score
