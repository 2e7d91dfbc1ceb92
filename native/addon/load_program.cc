#include "addon/addon.h"
#include "addon/checkpoint.h"
#include "addon/dtype.h"
#include "addon/integer.h"
#include "addon/load_model.h"
#include "addon/program_spec.h"
#include "addon/request.h"
#include "engine/interrupt.h"
#include "engine/threads.h"
#include "error.h"
#include "program/builtin_program.h"
#include "program/program_export.h"

namespace reward_model_score {
namespace {

// What both ways of using a program start from. Shared, because a request is copied.
struct Source {
  ProgramSpec spec;
  std::shared_ptr<const Checkpoint> checkpoint;
  at::ScalarType dtype = at::kFloat;
};

std::shared_ptr<Source> read_source(const Napi::Value& spec, const Napi::Object& options) {
  auto source = std::make_shared<Source>();
  source->spec = read_program_spec(spec);
  source->checkpoint = CheckpointObject::get(options.Get("checkpoint"));
  const auto dtype = read_dtype(options.Get("dtype").ToString());
  if (!dtype) {
    throw Error("ERR_INVALID_OPTION", "A built-in program needs a dtype, not \"auto\".",
                {{"option", "torchDtype"}});
  }
  source->dtype = *dtype;
  return source;
}

DeviceMap read_device_map(const Napi::Object& options) {
  const auto object = options.Get("deviceMap").ToObject();
  const auto names = object.GetPropertyNames();
  std::map<std::string, std::string> devices;
  for (uint32_t i = 0; i < names.Length(); ++i) {
    devices.emplace(names.Get(i).ToString(), object.Get(names.Get(i)).ToString());
  }
  return {std::move(devices), options.Get("executionDevice").ToString()};
}

Napi::Value load_program(const Napi::CallbackInfo& info) {
  const auto options = info[1].ToObject();
  std::shared_ptr<Source> source;
  std::optional<DeviceMap> map;
  int threads = 0;
  if (auto failure = fence("cpu", [&] {
        source = read_source(info[0], options);
        map = read_device_map(options);
        threads = read_threads(options);
      })) {
    return reject(info.Env(), *failure);
  }
  return load_model(info.Env(), {map->execution_device().str(), threads, options.Get("onProgress"),
                                 [source, map = *map](const Progress& progress) {
                                   return load_builtin_program(source->spec, source->checkpoint,
                                                               source->dtype, map, progress);
                                 }});
}

Napi::Value export_program_promise(const Napi::CallbackInfo& info) {
  const auto options = info[1].ToObject();
  std::shared_ptr<Source> source;
  ModuleSource pooling;
  std::string output;
  if (auto failure = fence("cpu", [&] {
        source = read_source(info[0], options);
        pooling = read_module_source(options.Get("pooling"));
        output = options.Get("output").ToString();
      })) {
    return reject(info.Env(), *failure);
  }
  auto work = [source, pooling, output]() -> MakeValue {
    use_threads(0);
    export_program(source->spec, pooling, *source->checkpoint, source->dtype, output,
                   [](double) { check_interrupt(); });
    return [](Napi::Env env) { return env.Undefined(); };
  };
  return send_request(info.Env(), {EngineThread::of("cpu"), nullptr, false, std::move(work)});
}

}  // namespace

void register_load_program(Napi::Env env, Napi::Object exports) {
  exports.Set("loadProgram", Napi::Function::New(env, load_program, "loadProgram"));
  exports.Set("exportProgram", Napi::Function::New(env, export_program_promise, "exportProgram"));
}

}  // namespace reward_model_score
