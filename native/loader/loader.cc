// Opens libtorch's libraries by absolute path, before the engine addon is loaded: a library that is already
// in the process satisfies the engine by its name, so the engine needs no search path. Links nothing itself.
#include <napi.h>

#include <string>

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace {

// The system's own words for what went wrong, or an empty string.
std::string open_library(const std::string& path) {
#ifdef _WIN32
  const int size = MultiByteToWideChar(CP_UTF8, 0, path.data(), static_cast<int>(path.size()), nullptr, 0);
  std::wstring wide(size, L'\0');
  MultiByteToWideChar(CP_UTF8, 0, path.data(), static_cast<int>(path.size()), wide.data(), size);
  if (LoadLibraryExW(wide.c_str(), nullptr, LOAD_WITH_ALTERED_SEARCH_PATH) != nullptr) return "";
  return "LoadLibrary failed with code " + std::to_string(GetLastError());
#else
  // Local: libtorch's protobuf, oneDNN and OpenMP symbols must not reach other addons of the process.
  if (dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) != nullptr) return "";
  const char* reason = dlerror();
  return reason == nullptr ? "unknown error" : reason;
#endif
}

Napi::Value open(const Napi::CallbackInfo& info) {
  if (info.Length() < 1 || !info[0].IsString()) {
    throw Napi::TypeError::New(info.Env(), "open() takes the absolute path of a library");
  }
  const std::string reason = open_library(info[0].As<Napi::String>());
  if (reason.empty()) return info.Env().Null();
  return Napi::String::New(info.Env(), reason);
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("open", Napi::Function::New(env, open, "open"));
  return exports;
}

}  // namespace

NODE_API_MODULE(loader, init)
