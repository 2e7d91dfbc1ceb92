#pragma once

#include <napi.h>

#include <memory>

#include "weights/checkpoint.h"

namespace reward_model_score {

// NativeCheckpoint of lib/native/binding.ts.
class CheckpointObject : public Napi::ObjectWrap<CheckpointObject> {
 public:
  static void register_class(Napi::Env env);
  // Throws Error if the value is no checkpoint, or one that was closed.
  static std::shared_ptr<const Checkpoint> get(const Napi::Value& value);

  explicit CheckpointObject(const Napi::CallbackInfo& info);

 private:
  Napi::Value tensors(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  std::shared_ptr<const Checkpoint> checkpoint_;
};

}  // namespace reward_model_score
