#include "weights/model_file.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/error.h"

#ifdef _WIN32
#include <windows.h>

#include <filesystem>
#else
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace reward_model_score {
namespace {

// Of a read that is shared, what one thread copies at least.
constexpr int64_t kSmallestShare = 1 << 20;

[[noreturn]] void fail(const std::string& path, const std::string& reason) {
  throw Error("ERR_IO", "Cannot read " + path + ": " + reason + ".", {{"path", path}});
}

[[noreturn]] void fail(const std::string& path, int reason) {
#ifdef _WIN32
  const bool missing = reason == ERROR_FILE_NOT_FOUND || reason == ERROR_PATH_NOT_FOUND;
#else
  const bool missing = reason == ENOENT || reason == ENOTDIR;
#endif
  const auto text = std::system_category().message(reason);
  if (missing) throw Error("ERR_NOT_FOUND", "Cannot read " + path + ": " + text + ".", {{"path", path}});
  fail(path, text);
}

}  // namespace

#ifdef _WIN32

// Nobody else may write to it meanwhile.
ModelFile::ModelFile(const std::string& path) : path_(path) {
  const auto wide = std::filesystem::path(reinterpret_cast<const char8_t*>(path.c_str())).wstring();
  file_ = CreateFileW(wide.c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr, OPEN_EXISTING,
                      FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file_ == INVALID_HANDLE_VALUE) fail(path, static_cast<int>(GetLastError()));
  LARGE_INTEGER size;
  if (GetFileType(file_) != FILE_TYPE_DISK || !GetFileSizeEx(file_, &size)) {
    CloseHandle(file_);
    fail(path, "it is not a regular file");
  }
  size_ = static_cast<uint64_t>(size.QuadPart);
}

ModelFile::~ModelFile() { CloseHandle(file_); }

void ModelFile::read_piece(uint64_t offset, char* to, size_t count) const {
  while (count > 0) {
    OVERLAPPED at{};
    at.Offset = static_cast<DWORD>(offset);
    at.OffsetHigh = static_cast<DWORD>(offset >> 32);
    DWORD done = 0;
    const auto wanted = static_cast<DWORD>(std::min<size_t>(count, 1 << 30));
    if (!ReadFile(file_, to, wanted, &done, &at)) fail(path_, static_cast<int>(GetLastError()));
    if (done == 0) refuse_changed();
    offset += done;
    to += done;
    count -= done;
  }
}

void ModelFile::require_unchanged() const {}

#else

namespace {

int64_t modified(const struct stat& status) {
#ifdef __APPLE__
  const timespec& time = status.st_mtimespec;
#else
  const timespec& time = status.st_mtim;
#endif
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

ModelFile::ModelFile(const std::string& path) : path_(path) {
  // Without O_NONBLOCK, opening a named pipe waits until somebody writes to it.
  file_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file_ < 0) fail(path, errno);
  struct stat status {};
  const int reason = fstat(file_, &status) == 0 ? 0 : errno;
  if (reason != 0 || !S_ISREG(status.st_mode)) {
    close(file_);
    if (reason != 0) fail(path, reason);
    fail(path, S_ISDIR(status.st_mode) ? "it is a directory" : "it is not a regular file");
  }
  size_ = static_cast<uint64_t>(status.st_size);
  modified_ = modified(status);
}

ModelFile::~ModelFile() { close(file_); }

void ModelFile::read_piece(uint64_t offset, char* to, size_t count) const {
  while (count > 0) {
    const ssize_t done = pread(file_, to, count, static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail(path_, errno);
    if (done == 0) refuse_changed();
    offset += static_cast<uint64_t>(done);
    to += done;
    count -= static_cast<size_t>(done);
  }
}

void ModelFile::require_unchanged() const {
  struct stat status {};
  if (fstat(file_, &status) != 0) fail(path_, errno);
  if (static_cast<uint64_t>(status.st_size) != size_ || modified(status) != modified_) refuse_changed();
}

#endif

void ModelFile::read(uint64_t offset, void* to, size_t count) const {
  at::parallel_for(0, static_cast<int64_t>(count), kSmallestShare, [&](int64_t begin, int64_t end) {
    read_piece(offset + static_cast<uint64_t>(begin), static_cast<char*>(to) + begin,
               static_cast<size_t>(end - begin));
  });
  require_unchanged();
}

std::string ModelFile::read(uint64_t offset, size_t count) const {
  std::string bytes(count, '\0');
  read(offset, bytes.data(), count);
  return bytes;
}

void ModelFile::refuse_changed() const {
  throw Error("ERR_MODEL_CORRUPT",
              path_ +
                  " was changed while it was in use, so what is read from it cannot be trusted. Load the "
                  "model again. To replace a file of a model that is in use, rename the new one to its name.",
              {{"path", path_}});
}

}  // namespace reward_model_score
