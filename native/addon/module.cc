#include "addon/addon.h"

using reward_model_score::register_binding;

NODE_API_MODULE(engine, register_binding)
