#pragma once

#include <napi.h>

namespace reward_model_score {

// Each file of this folder registers its own part of the binding (lib/native/binding.ts).
void register_error_class(Napi::Env env, Napi::Object exports);
void register_load_archive(Napi::Env env, Napi::Object exports);
void register_runtime_info(Napi::Env env, Napi::Object exports);

}  // namespace reward_model_score
