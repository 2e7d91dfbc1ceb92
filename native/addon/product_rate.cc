#include "ops/product_rate.h"

#include "addon/addon.h"
#include "addon/dtype.h"
#include "addon/integer.h"
#include "addon/request.h"
#include "base/error.h"
#include "engine/device.h"
#include "engine/threads.h"

namespace reward_model_score {
namespace {

Napi::Value product_rate_promise(const Napi::CallbackInfo& info) {
  const auto options = info[0].ToObject();
  int threads = 0;
  std::optional<c10::Device> device;
  std::optional<at::ScalarType> dtype;
  if (auto failure = fence("cpu", [&] {
        threads = read_threads(options);
        device = find_device(options.Get("device").ToString());
        dtype = read_dtype(options.Get("dtype").ToString());
      })) {
    return reject(info.Env(), *failure);
  }
  auto work = [device = *device, dtype = *dtype, threads]() -> MakeValue {
    use_threads(threads);
    const double rate = product_rate(device, dtype);
    return [rate](Napi::Env env) { return Napi::Number::New(env, rate); };
  };
  return send_request(info.Env(), {EngineThread::of(device->str()), nullptr, false, std::move(work)});
}

}  // namespace

void register_product_rate(Napi::Env env, Napi::Object exports) {
  exports.Set("productRate", Napi::Function::New(env, product_rate_promise, "productRate"));
}

}  // namespace reward_model_score
