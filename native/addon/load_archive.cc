#include "addon/addon.h"
#include "addon/load_model.h"
#include "addon/request.h"
#include "engine/device.h"
#include "program/archive.h"

namespace reward_model_score {
namespace {

std::optional<at::ScalarType> read_dtype(const std::string& name) {
  if (name == "auto") return std::nullopt;
  if (name == "float32") return at::kFloat;
  if (name == "bfloat16") return at::kBFloat16;
  if (name == "float16") return at::kHalf;
  throw Error("ERR_INVALID_OPTION", "dtype is \"" + name + "\"; use auto, float32, bfloat16 or float16.",
              {{"option", std::string("torchDtype")}});
}

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
