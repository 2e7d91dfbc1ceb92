#include "testing/simulator/binding.h"

#include <c10/core/DeviceType.h>

#include <functional>

#include "addon/error_class.h"
#include "base/failure.h"
#include "testing/simulator/devices.h"
#include "testing/simulator/memory.h"
#include "testing/simulator/streams.h"

namespace reward_model_score::simulator {
namespace {

void register_once() {
  static const bool done = [] {
    c10::register_privateuse1_backend("sim");
    register_memory();
    register_streams();
    return true;
  }();
  (void)done;
}

Napi::Value to_object(Napi::Env env, const State& state) {
  auto object = Napi::Object::New(env);
  const auto set = [&](const char* name, int64_t value) {
    object.Set(name, Napi::Number::New(env, static_cast<double>(value)));
  };
  set("size", state.size);
  set("used", state.used);
  set("reserved", state.reserved);
  set("hostToDevice", state.counters.host_to_device);
  set("deviceToHost", state.counters.device_to_host);
  set("fromDevices", state.counters.from_devices);
  set("asynchronous", state.counters.asynchronous);
  set("operations", state.counters.operations);
  set("mostUsed", state.counters.most_used);
  set("fusedAttention", state.counters.fused_attention);
  return object;
}

}  // namespace

Napi::Object binding(Napi::Env env) {
  register_once();
  auto object = Napi::Object::New(env);
  const auto add = [&](const char* name, std::function<Napi::Value(const Napi::CallbackInfo&)> function) {
    const auto fenced = [function](const Napi::CallbackInfo& info) -> Napi::Value {
      Napi::Value result;
      if (auto failure = fence("cpu", [&] { result = function(info); })) throw_error(info.Env(), *failure);
      return result;
    };
    object.Set(name, Napi::Function::New(env, fenced, name));
  };
  const auto index = [](const Napi::CallbackInfo& info) { return info[0].ToNumber().Int32Value(); };
  add("devices", [](const Napi::CallbackInfo& info) {
    const auto array = info[0].As<Napi::Array>();
    std::vector<int64_t> sizes;
    for (uint32_t i = 0; i < array.Length(); ++i) sizes.push_back(array.Get(i).ToNumber().Int64Value());
    replace_devices(sizes);
    return info.Env().Undefined();
  });
  add("read", [=](const Napi::CallbackInfo& info) { return to_object(info.Env(), read(index(info))); });
  add("reset", [](const Napi::CallbackInfo& info) {
    reset_counters();
    return info.Env().Undefined();
  });
  add("fail", [=](const Napi::CallbackInfo& info) {
    fail(index(info));
    return info.Env().Undefined();
  });
  add("setFusedAttention", [](const Napi::CallbackInfo& info) {
    set_fused_attention(info[0].ToBoolean());
    return info.Env().Undefined();
  });
  add("hold", [=](const Napi::CallbackInfo& info) {
    hold(index(info), info[1].ToNumber().Int64Value());
    return info.Env().Undefined();
  });
  return object;
}

}  // namespace reward_model_score::simulator
