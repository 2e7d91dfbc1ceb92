#include "addon/addon.h"
#include "addon/dtype.h"
#include "addon/load_model.h"
#include "addon/request.h"
#include "engine/device.h"
#include "program/archive.h"

namespace reward_model_score {
namespace {

Napi::Value load_archive_promise(const Napi::CallbackInfo& info) {
  const auto object = info[0].ToObject();
  std::optional<ArchiveOptions> options;
  if (auto failure = fence("cpu", [&] {
        options = ArchiveOptions{object.Get("path").ToString(), find_device(object.Get("device").ToString()),
                                 read_dtype(object.Get("dtype").ToString()),
                                 object.Get("padTokenId").ToNumber().Int64Value()};
      })) {
    return reject(info.Env(), *failure);
  }
  return load_model(info.Env(), {options->device.str(), object.Get("threads").ToNumber().Int32Value(),
                                 object.Get("onProgress"), [options](const Progress& progress) {
                                   return load_archive(*options, progress);
                                 }});
}

}  // namespace

void register_load_archive(Napi::Env env, Napi::Object exports) {
  exports.Set("loadArchive", Napi::Function::New(env, load_archive_promise, "loadArchive"));
}

}  // namespace reward_model_score
