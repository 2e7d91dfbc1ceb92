#include <limits>

#include "addon/addon.h"
#include "addon/dtype.h"
#include "addon/integer.h"
#include "addon/load_model.h"
#include "addon/request.h"
#include "archive/archive.h"
#include "archive/file.h"
#include "engine/device.h"
#include "engine/engine_thread.h"

namespace reward_model_score {
namespace {

std::map<at::ScalarType, at::ScalarType> read_dtypes(const Napi::Object& object) {
  std::map<at::ScalarType, at::ScalarType> dtypes;
  for (const auto* name : {"float32", "bfloat16", "float16"})
    dtypes.emplace(read_dtype(name), read_dtype(object.Get(name).ToString()));
  return dtypes;
}

Napi::Value load_archive_promise(const Napi::CallbackInfo& info) {
  const auto object = info[0].ToObject();
  std::optional<ArchiveOptions> options;
  int threads = 0;
  if (auto failure = fence("cpu", [&] {
        options = ArchiveOptions{object.Get("path").ToString(), find_device(object.Get("device").ToString()),
                                 read_dtypes(object.Get("dtypes").ToObject()),
                                 read_integer(object, "padTokenId", 0, std::numeric_limits<int32_t>::max())};
        threads = read_threads(object);
      })) {
    return reject(info.Env(), *failure);
  }
  return load_model(info.Env(),
                    {options->device.str(), threads, object.Get("onProgress"),
                     [options](const Progress& progress) { return load_archive(*options, progress); }});
}

Napi::Value read_extra_file_promise(const Napi::CallbackInfo& info) {
  const std::string path = info[0].ToString(), name = info[1].ToString();
  auto work = [path, name]() -> MakeValue {
    return [text = read_extra_file(path, name)](Napi::Env env) -> Napi::Value {
      return text ? Napi::String::New(env, *text) : env.Undefined();
    };
  };
  return send_request(info.Env(), {EngineThread::of("files"), nullptr, false, std::move(work)});
}

}  // namespace

void register_load_archive(Napi::Env env, Napi::Object exports) {
  exports.Set("readExtraFile", Napi::Function::New(env, read_extra_file_promise, "readExtraFile"));
  exports.Set("loadArchive", Napi::Function::New(env, load_archive_promise, "loadArchive"));
}

}  // namespace reward_model_score
