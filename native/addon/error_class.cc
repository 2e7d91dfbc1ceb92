#include "addon/error_class.h"

#include "addon/addon.h"
#include "addon/instance.h"
#include "engine/cuda.h"
#include "ops/cpu/level.h"

namespace reward_model_score {
namespace {

void initialize(const Napi::CallbackInfo& info) {
  if (info.Length() < 1 || !info[0].IsFunction()) {
    throw Napi::TypeError::New(info.Env(), "initialize() takes the class RewardModelScoreError");
  }
  Instance::of(info.Env()).error_class = Napi::Persistent(info[0].As<Napi::Function>());
  if (info.Length() > 1 && info[1].IsString()) set_cuda_load_problem(info[1].ToString());
  if (info.Length() > 2 && info[2].IsString()) {
    const std::string level = info[2].ToString();
    if (auto failure = fence("cpu", [&] { cpu::use_level(level); })) throw_error(info.Env(), *failure);
  }
}

}  // namespace

Napi::Value make_error(Napi::Env env, const Failure& failure) {
  Napi::Object details = Napi::Object::New(env);
  for (const auto& [name, value] : failure.details) {
    std::visit([&](const auto& field) { details.Set(name, Napi::Value::From(env, field)); }, value);
  }
  const Napi::FunctionReference& error_class = Instance::of(env).error_class;
  if (error_class.IsEmpty()) return Napi::Error::New(env, failure.code + ": " + failure.message).Value();
  return error_class.New(
      {Napi::String::New(env, failure.code), Napi::String::New(env, failure.message), details});
}

void throw_error(Napi::Env env, const Failure& failure) { throw Napi::Error(env, make_error(env, failure)); }

void register_error_class(Napi::Env env, Napi::Object exports) {
  exports.Set("initialize", Napi::Function::New(env, initialize, "initialize"));
}

}  // namespace reward_model_score
