#pragma once

#include <napi.h>

namespace reward_model_score {

// What belongs to one Node environment (the main thread or a worker).
struct Instance {
  // RewardModelScoreError of the JavaScript side, given by initialize().
  Napi::FunctionReference error_class;

  static Instance& of(Napi::Env env) { return *env.GetInstanceData<Instance>(); }
};

}  // namespace reward_model_score
