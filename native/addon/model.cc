#include "addon/model.h"

#include <utility>

#include "addon/addon.h"
#include "addon/batch.h"
#include "addon/dtype.h"
#include "addon/error_class.h"
#include "addon/instance.h"
#include "addon/request.h"

namespace reward_model_score {
namespace {

const Failure kDisposed{"ERR_NOT_LOADED", "The model has been unloaded. Load it again before scoring.", {}};

}  // namespace

void Model::register_class(Napi::Env env) {
  const auto constructor = DefineClass(env, "NativeModel",
                                       {
                                           InstanceAccessor<&Model::bytes>("bytes"),
                                           InstanceAccessor<&Model::dtype>("dtype"),
                                           InstanceMethod<&Model::forward>("forward"),
                                           InstanceMethod<&Model::dispose>("dispose"),
                                       });
  Instance::of(env).model_class = Napi::Persistent(constructor);
}

Napi::Value Model::make(Napi::Env env, std::shared_ptr<LoadedModel> model) {
  return Instance::of(env).model_class.New({Napi::External<std::shared_ptr<LoadedModel>>::New(env, &model)});
}

Model::Model(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Model>(info) {
  if (info.Length() < 1 || !info[0].IsExternal()) {
    throw Napi::TypeError::New(info.Env(), "NativeModel is made by loadArchive() and loadProgram()");
  }
  model_ = *info[0].As<Napi::External<std::shared_ptr<LoadedModel>>>().Data();
  external_bytes_ = model_->bytes();
  Napi::MemoryManagement::AdjustExternalMemory(info.Env(), external_bytes_);
}

// The collector took the object before dispose() was called; the last request that holds the model frees it.
Model::~Model() { release_external_memory(Env()); }

void Model::release_external_memory(Napi::Env env) {
  if (external_bytes_ == 0) return;
  Napi::MemoryManagement::AdjustExternalMemory(env, -external_bytes_);
  external_bytes_ = 0;
}

Napi::Value Model::bytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(model_->bytes()));
}

Napi::Value Model::dtype(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), dtype_name(model_->dtype()));
}

Napi::Value Model::forward(const Napi::CallbackInfo& info) {
  if (disposed_) return reject(info.Env(), kDisposed);
  auto batch = std::make_shared<PackedBatch>();
  if (auto failure = fence(model_->thread().name(), [&] { *batch = read_batch(info[0]); })) {
    return reject(info.Env(), *failure);
  }
  auto work = [model = model_, batch]() -> MakeValue {
    auto scores = std::make_shared<BatchScores>(model->forward(*batch));
    return [scores](Napi::Env env) { return write_scores(env, *scores); };
  };
  return send_request(info.Env(), {model_->thread(), model_.get(), false, std::move(work)});
}

Napi::Value Model::dispose(const Napi::CallbackInfo& info) {
  disposed_ = true;
  release_external_memory(info.Env());
  model_->thread().drop_model(model_.get(), kDisposed);
  // A second call queues behind the first, so that both promises mean the same: the memory is free.
  auto work = [model = model_]() -> MakeValue {
    model->free();
    return [](Napi::Env env) { return env.Undefined(); };
  };
  return send_request(info.Env(), {model_->thread(), nullptr, true, std::move(work)});
}

}  // namespace reward_model_score
