#include "addon/addon.h"
#include "addon/dtype.h"
#include "addon/error_class.h"
#include "base/failure.h"
#include "engine/runtime.h"
#include "ops/float_linear.h"

namespace reward_model_score {
namespace {

Napi::Value runtime_info_object(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  RuntimeInfo runtime;
  if (auto failure = fence("cpu", [&] { runtime = runtime_info(); })) throw_error(env, *failure);

  Napi::Array devices = Napi::Array::New(env);
  for (const std::string& device : runtime.cuda.devices)
    devices[devices.Length()] = Napi::String::New(env, device);
  Napi::Object cuda = Napi::Object::New(env);
  cuda["available"] = Napi::Boolean::New(env, runtime.cuda.available);
  cuda["devices"] = devices;
  if (!runtime.cuda.reason.empty()) cuda["reason"] = Napi::String::New(env, runtime.cuda.reason);

  Napi::Array openmp = Napi::Array::New(env);
  for (const std::string& image : runtime.openmp) openmp[openmp.Length()] = Napi::String::New(env, image);

  Napi::Object result = Napi::Object::New(env);
  result["libtorch"] = Napi::String::New(env, runtime.libtorch);
  result["cpuCapability"] = Napi::String::New(env, runtime.cpu_capability);
  result["cuda"] = cuda;
  result["threads"] = Napi::Number::New(env, runtime.threads);
  result["openmp"] = openmp;
  result["parallel"] = Napi::String::New(env, runtime.parallel);
  return result;
}

Napi::Value packed_dtype_name(const Napi::CallbackInfo& info) {
  const std::string name = info[0].ToString();
  auto dtype = at::kFloat;
  if (auto failure = fence("cpu", [&] { dtype = read_dtype(name); })) throw_error(info.Env(), *failure);
  return Napi::String::New(info.Env(), dtype_name(packed_dtype(dtype)));
}

}  // namespace

void register_runtime_info(Napi::Env env, Napi::Object exports) {
  exports.Set("packedDtype", Napi::Function::New(env, packed_dtype_name, "packedDtype"));
  exports.Set("runtimeInfo", Napi::Function::New(env, runtime_info_object, "runtimeInfo"));
}

}  // namespace reward_model_score
