// Opens libtorch's libraries by absolute path, before the engine addon is loaded: a library that is already
// in the process satisfies the engine by its name, so the engine needs no search path. Links nothing itself.
#include <napi.h>

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif
#ifdef __linux__
#include <link.h>
#endif

namespace {

#ifdef __linux__
// The file of another library of that name that is in the process, or an empty string. Two libtorchs would
// register their operators into each other, which ends the process.
std::string namesake(const std::filesystem::path& path) {
  void* handle = dlopen(path.filename().c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (handle == nullptr) return "";
  link_map* image = nullptr;
  dlinfo(handle, RTLD_DI_LINKMAP, &image);
  const std::string present = image->l_name;
  dlclose(handle);
  std::error_code unknown;
  return std::filesystem::equivalent(present, path, unknown) ? "" : present;
}
#endif

// The system's own words for what went wrong, or an empty string.
std::string open_library(const std::string& path) {
  // Opening a named pipe would wait for somebody who writes to it.
  std::error_code missing;
  const auto kind =
      std::filesystem::status(std::filesystem::path(reinterpret_cast<const char8_t*>(path.c_str())), missing)
          .type();
  if (!missing && kind != std::filesystem::file_type::regular) return "it is not a regular file";
#ifdef _WIN32
  const int size = MultiByteToWideChar(CP_UTF8, 0, path.data(), static_cast<int>(path.size()), nullptr, 0);
  std::wstring wide(size, L'\0');
  MultiByteToWideChar(CP_UTF8, 0, path.data(), static_cast<int>(path.size()), wide.data(), size);
  if (LoadLibraryExW(wide.c_str(), nullptr, LOAD_WITH_ALTERED_SEARCH_PATH) != nullptr) return "";
  return "LoadLibrary failed with code " + std::to_string(GetLastError());
#else
#ifdef __linux__
  const std::string present = namesake(path);
  if (!present.empty()) return "the process already uses " + present;
#endif
  // Local: libtorch's protobuf, oneDNN and OpenMP symbols must not reach other addons of the process.
  if (dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) != nullptr) return "";
  const char* reason = dlerror();
  return reason == nullptr ? "unknown error" : reason;
#endif
}

// Relocating libtorch takes most of a second, which is too long for the event loop. A process that ends
// meanwhile waits for libuv's threads before any static object is destroyed.
class Opening : public Napi::AsyncWorker {
 public:
  Opening(Napi::Env env, std::string path)
      : Napi::AsyncWorker(env, "reward-model-score:open"),
        path_(std::move(path)),
        deferred_(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { reason_ = open_library(path_); }
  void OnOK() override {
    deferred_.Resolve(reason_.empty() ? Env().Null() : Napi::String::New(Env(), reason_));
  }

 private:
  const std::string path_;
  const Napi::Promise::Deferred deferred_;
  std::string reason_;
};

Napi::Value open(const Napi::CallbackInfo& info) {
  if (info.Length() < 1 || !info[0].IsString()) {
    throw Napi::TypeError::New(info.Env(), "open() takes the absolute path of a library");
  }
  auto* opening = new Opening(info.Env(), info[0].As<Napi::String>());  // deletes itself
  opening->Queue();
  return opening->promise();
}

#ifdef __linux__
int collect_addon(dl_phdr_info* image, size_t /*size*/, void* paths) {
  const std::string path = image->dlpi_name;
  if (path.ends_with(".node")) static_cast<std::vector<std::string>*>(paths)->push_back(path);
  return 0;
}
#endif

// The path of the engine addon that is in the process, or null: a second one, of another copy of the package,
// would register the same operators again, which ends the process.
Napi::Value engine(const Napi::CallbackInfo& info) {
#ifdef __linux__
  std::vector<std::string> addons;
  dl_iterate_phdr(collect_addon, &addons);
  for (const std::string& path : addons) {
    void* handle = dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
    if (handle == nullptr) continue;
    const bool found = dlsym(handle, "reward_model_score_engine") != nullptr;
    dlclose(handle);
    if (found) return Napi::String::New(info.Env(), path);
  }
#endif
  return info.Env().Null();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("open", Napi::Function::New(env, open, "open"));
  exports.Set("engine", Napi::Function::New(env, engine, "engine"));
  return exports;
}

}  // namespace

NODE_API_MODULE(loader, init)
