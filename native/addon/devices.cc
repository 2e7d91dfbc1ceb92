#include "addon/addon.h"
#include "addon/error_class.h"
#include "base/failure.h"
#include "engine/device.h"

namespace reward_model_score {
namespace {

Napi::Value devices(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::vector<DeviceMemory> found;
  if (auto failure = fence("cpu", [&] { found = list_devices(); })) throw_error(env, *failure);

  Napi::Array result = Napi::Array::New(env, found.size());
  for (uint32_t i = 0; i < found.size(); ++i) {
    const auto& [device, memory] = found[i];
    Napi::Object entry = Napi::Object::New(env);
    entry["name"] = Napi::String::New(env, device.str());
    entry["kind"] = Napi::String::New(env, c10::DeviceTypeName(device.type(), /*lower_case=*/true));
    entry["total"] = Napi::Number::New(env, static_cast<double>(memory.total));
    entry["free"] = Napi::Number::New(env, static_cast<double>(memory.free));
    result[i] = entry;
  }
  return result;
}

}  // namespace

void register_devices(Napi::Env env, Napi::Object exports) {
  exports.Set("devices", Napi::Function::New(env, devices, "devices"));
}

}  // namespace reward_model_score
