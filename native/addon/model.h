#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>

#include "engine/loaded_model.h"

namespace reward_model_score {

// NativeModel of lib/native/binding.ts.
class Model : public Napi::ObjectWrap<Model> {
 public:
  static void register_class(Napi::Env env);
  static Napi::Value make(Napi::Env env, std::shared_ptr<LoadedModel> model);

  explicit Model(const Napi::CallbackInfo& info);
  ~Model() override;

 private:
  Napi::Value bytes(const Napi::CallbackInfo& info);
  Napi::Value dtype(const Napi::CallbackInfo& info);
  Napi::Value forward(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);
  // Tells V8 once that the weights are gone.
  void release_external_memory(Napi::Env env);

  std::shared_ptr<LoadedModel> model_;
  int64_t external_bytes_ = 0;
  bool disposed_ = false;
};

}  // namespace reward_model_score
