// engine-test.node: the engine's own binding and, for tests only, TorchScript snippets run on given tensors,
// and a simulated accelerator. All are in one addon because a process can register the custom ops only once.
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <numeric>

#include "addon/addon.h"
#include "addon/error_class.h"
#include "base/failure.h"
#include "compile/op_library.h"
#include "testing/simulator/binding.h"
#include "testing/values.h"

namespace reward_model_score {
namespace {

// compile(source, {ops, reference}) → (name, ...args) => result; the source may use the op vocabulary and the
// type `W`.
Napi::Value compile(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::string source = info[0].ToString();
  const auto options = info[1].As<Napi::Object>();
  const std::string set = options.Get("ops").ToString();
  const auto ops = set == "fused" ? OpSet::kFused : set == "device" ? OpSet::kDevice : OpSet::kReference;
  const std::string reference = options.Get("reference").ToString();
  std::shared_ptr<OpLibrary> library;
  auto failure = fence("cpu", [&] {
    library = std::make_shared<OpLibrary>(ops, reference);
    library->unit()->define(c10::QualifiedName("test"), source, library->resolver(), /*self=*/nullptr);
  });
  if (failure) throw_error(env, *failure);

  auto run = [library](const Napi::CallbackInfo& info) -> Napi::Value {
    Napi::Env env = info.Env();
    Napi::Value result;
    auto failure = fence("cpu", [&] {
      c10::InferenceMode inference;
      const std::string name = info[0].ToString();
      std::vector<c10::IValue> arguments;
      for (size_t i = 1; i < info.Length(); ++i) arguments.push_back(to_ivalue(info[i], *library));
      auto& function = library->unit()->get_function(c10::QualifiedName("test", name));
      result = from_ivalue(env, function(std::move(arguments)));
    });
    if (failure) throw_error(env, *failure);
    return result;
  };
  return Napi::Function::New(env, run, "run");
}

// archive(path) → (...tensors) => result: the archive's own forward, as anybody's TorchScript.
Napi::Value archive(const Napi::CallbackInfo& info) {
  const std::string path = info[0].ToString();
  std::shared_ptr<torch::jit::Module> module;
  std::shared_ptr<OpLibrary> library;
  auto failure = fence("cpu", [&] {
    module = std::make_shared<torch::jit::Module>(torch::jit::load(path));
    library = std::make_shared<OpLibrary>(OpSet::kReference, "");
  });
  if (failure) throw_error(info.Env(), *failure);

  auto run = [module, library](const Napi::CallbackInfo& info) -> Napi::Value {
    Napi::Value result;
    auto failure = fence("cpu", [&] {
      c10::InferenceMode inference;
      std::vector<c10::IValue> arguments;
      for (size_t i = 0; i < info.Length(); ++i) arguments.push_back(to_ivalue(info[i], *library));
      result = from_ivalue(info.Env(), module->forward(std::move(arguments)));
    });
    if (failure) throw_error(info.Env(), *failure);
    return result;
  };
  return Napi::Function::New(info.Env(), run, "forward");
}

void set_threads(const Napi::CallbackInfo& info) { at::set_num_threads(info[0].ToNumber().Int32Value()); }

// How many threads really share a kernel's loop: one, were this compiled without OpenMP.
Napi::Value threads(const Napi::CallbackInfo& info) {
  std::vector<int> took_part(at::get_num_threads());
  at::parallel_for(0, static_cast<int64_t>(took_part.size()), 1,
                   [&](int64_t, int64_t) { took_part[at::get_thread_num()] = 1; });
  return Napi::Number::New(info.Env(), std::accumulate(took_part.begin(), took_part.end(), 0));
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  register_binding(env, exports);
  exports.Set("archive", Napi::Function::New(env, archive, "archive"));
  exports.Set("compile", Napi::Function::New(env, compile, "compile"));
  exports.Set("setThreads", Napi::Function::New(env, set_threads, "setThreads"));
  exports.Set("simulator", simulator::binding(env));
  exports.Set("threads", Napi::Function::New(env, threads, "threads"));
  return exports;
}

NODE_API_MODULE(engine_test, init)

}  // namespace
}  // namespace reward_model_score
