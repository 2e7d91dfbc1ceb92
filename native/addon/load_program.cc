#include "addon/addon.h"
#include "addon/checkpoint.h"
#include "addon/dtype.h"
#include "addon/integer.h"
#include "addon/load_model.h"
#include "addon/program_spec.h"
#include "addon/request.h"
#include "archive/export.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "engine/threads.h"
#include "run/builtin_program.h"

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
  source->dtype = read_dtype(options.Get("dtype").ToString());
  return source;
}

StageDevices read_stage_devices(const Napi::Object& options) {
  const auto object = options.Get("stageDevices").ToObject();
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
  std::optional<StageDevices> stage_devices;
  int threads = 0;
  if (auto failure = fence("cpu", [&] {
        source = read_source(info[0], options);
        stage_devices = read_stage_devices(options);
        threads = read_threads(options);
      })) {
    return reject(info.Env(), *failure);
  }
  return load_model(info.Env(), {stage_devices->execution_device().str(), threads, options.Get("onProgress"),
                                 [source, stage_devices = *stage_devices](const Progress& progress) {
                                   return load_builtin_program(source->spec, source->checkpoint,
                                                               source->dtype, stage_devices, progress);
                                 }});
}

Napi::Value export_program_promise(const Napi::CallbackInfo& info) {
  const auto options = info[1].ToObject();
  std::shared_ptr<Source> source;
  PaddedInput input;
  std::string output;
  if (auto failure = fence("cpu", [&] {
        source = read_source(info[0], options);
        input.pooling = read_module_source(options.Get("pooling"));
        input.packing = read_module_source(options.Get("packing"));
        const auto fields = options.Get("fields").ToObject();
        const auto names = fields.GetPropertyNames();
        for (uint32_t i = 0; i < names.Length(); ++i)
          input.fields.emplace(names.Get(i).ToString(), fields.Get(names.Get(i)).ToString());
        output = options.Get("output").ToString();
      })) {
    return reject(info.Env(), *failure);
  }
  auto work = [source, input, output]() -> MakeValue {
    use_threads(0);
    export_program(source->spec, input, *source->checkpoint, source->dtype, output,
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
