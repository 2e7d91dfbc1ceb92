#pragma once

#include <napi.h>

namespace reward_model_score {

// All of the binding, for one environment.
Napi::Object register_binding(Napi::Env env, Napi::Object exports);

// Each file of this folder registers its own part of the binding (lib/native/binding.ts).
void register_devices(Napi::Env env, Napi::Object exports);
void register_error_class(Napi::Env env, Napi::Object exports);
void register_load_archive(Napi::Env env, Napi::Object exports);
void register_open_checkpoint(Napi::Env env, Napi::Object exports);
void register_load_program(Napi::Env env, Napi::Object exports);
void register_product_rate(Napi::Env env, Napi::Object exports);
void register_runtime_info(Napi::Env env, Napi::Object exports);

}  // namespace reward_model_score
