#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <string>

#include "engine/program.h"

namespace reward_model_score {

struct LoadRequest {
  std::string device;  // names the engine thread
  int threads = 0;     // 0 = physical cores
  Napi::Value on_progress;
  // On the engine thread.
  std::function<std::unique_ptr<Program>(const Progress&)> load;
};

// Loads a model on its engine thread; the promise resolves to a NativeModel.
Napi::Promise load_model(Napi::Env env, LoadRequest request);

}  // namespace reward_model_score
