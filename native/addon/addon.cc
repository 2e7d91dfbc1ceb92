#include "addon/addon.h"

#include "addon/instance.h"
#include "addon/model.h"
#include "addon/stay_loaded.h"
#include "base/failure.h"
#include "engine/process_exit.h"
#include "engine/threads.h"

namespace reward_model_score {

Napi::Object register_binding(Napi::Env env, Napi::Object exports) {
  stay_loaded();
  if (auto failure = fence("cpu", [] {
        use_single_interop_thread();
        stop_threads_at_exit();
      })) {
    throw Napi::Error::New(env, failure->message);
  }
  env.SetInstanceData(new Instance(env));
  Model::register_class(env);
  register_error_class(env, exports);
  register_product_rate(env, exports);
  register_runtime_info(env, exports);
  register_devices(env, exports);
  register_load_archive(env, exports);
  register_open_checkpoint(env, exports);
  register_load_program(env, exports);
  return exports;
}

}  // namespace reward_model_score
