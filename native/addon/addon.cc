#include "addon/addon.h"

#include "addon/instance.h"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new reward_model_score::Instance());
  reward_model_score::register_error_class(env, exports);
  reward_model_score::register_runtime_info(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(engine, init)
