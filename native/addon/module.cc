#include "addon/addon.h"

using reward_model_score::register_binding;

// What the loader knows an engine by.
extern "C" NAPI_MODULE_EXPORT void reward_model_score_engine() {}

NODE_API_MODULE(engine, register_binding)
