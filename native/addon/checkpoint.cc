#include "addon/checkpoint.h"

#include "addon/addon.h"
#include "addon/error_class.h"
#include "addon/instance.h"
#include "addon/request.h"
#include "base/error.h"

namespace reward_model_score {
namespace {

Checkpoint::File read_file(const Napi::Value& value) {
  if (value.IsString()) return {value.ToString(), ""};
  const auto file = value.ToObject();
  return {file.Get("path").ToString(), file.Get("prefix").ToString()};
}

Napi::Value open_checkpoint(const Napi::CallbackInfo& info) {
  std::vector<Checkpoint::File> files;
  if (auto failure = fence("cpu", [&] {
        const auto array = info[0].As<Napi::Array>();
        for (uint32_t i = 0; i < array.Length(); ++i) files.push_back(read_file(array.Get(i)));
      })) {
    return reject(info.Env(), *failure);
  }
  auto work = [files]() -> MakeValue {
    std::shared_ptr<const Checkpoint> checkpoint = std::make_shared<Checkpoint>(files);
    return [checkpoint](Napi::Env env) {
      auto copy = checkpoint;
      return Instance::of(env).checkpoint_class.New(
          {Napi::External<std::shared_ptr<const Checkpoint>>::New(env, &copy)});
    };
  };
  return send_request(info.Env(), {EngineThread::of("files"), nullptr, false, std::move(work)});
}

Napi::Object describe(Napi::Env env, const StoredTensor& tensor) {
  auto shape = Napi::Array::New(env, tensor.shape.size());
  for (uint32_t i = 0; i < tensor.shape.size(); ++i) shape[i] = Napi::Number::New(env, tensor.shape[i]);
  auto object = Napi::Object::New(env);
  object.Set("name", tensor.name);
  object.Set("dtype", tensor.dtype);
  object.Set("shape", shape);
  object.Set("file", tensor.file);
  return object;
}

}  // namespace

void CheckpointObject::register_class(Napi::Env env) {
  const auto constructor = DefineClass(env, "NativeCheckpoint",
                                       {
                                           InstanceAccessor<&CheckpointObject::tensors>("tensors"),
                                           InstanceMethod<&CheckpointObject::close>("close"),
                                       });
  Instance::of(env).checkpoint_class = Napi::Persistent(constructor);
}

std::shared_ptr<const Checkpoint> CheckpointObject::get(const Napi::Value& value) {
  const auto& constructor = Instance::of(value.Env()).checkpoint_class;
  if (!value.IsObject() || !value.As<Napi::Object>().InstanceOf(constructor.Value())) {
    throw Error("ERR_INVALID_OPTION", "checkpoint is not what openCheckpoint() returns.",
                {{"option", "checkpoint"}});
  }
  const auto checkpoint = Unwrap(value.As<Napi::Object>())->checkpoint_;
  if (checkpoint == nullptr) throw Error("ERR_NOT_LOADED", "The checkpoint has been closed. Open it again.");
  return checkpoint;
}

CheckpointObject::CheckpointObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<CheckpointObject>(info) {
  if (info.Length() < 1 || !info[0].IsExternal()) {
    throw Napi::TypeError::New(info.Env(), "NativeCheckpoint is made by openCheckpoint()");
  }
  checkpoint_ = *info[0].As<Napi::External<std::shared_ptr<const Checkpoint>>>().Data();
}

Napi::Value CheckpointObject::tensors(const Napi::CallbackInfo& info) {
  auto array = Napi::Array::New(info.Env());
  if (checkpoint_ == nullptr) return array;
  for (const auto& tensor : checkpoint_->tensors()) array[array.Length()] = describe(info.Env(), tensor);
  return array;
}

// The files are closed when no load that is running needs them any more.
void CheckpointObject::close(const Napi::CallbackInfo& /*info*/) { checkpoint_ = nullptr; }

void register_open_checkpoint(Napi::Env env, Napi::Object exports) {
  CheckpointObject::register_class(env);
  exports.Set("openCheckpoint", Napi::Function::New(env, open_checkpoint, "openCheckpoint"));
}

}  // namespace reward_model_score
