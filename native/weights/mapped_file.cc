#include "weights/mapped_file.h"

#include <cerrno>
#include <cstdint>
#include <functional>
#include <system_error>

#include "error.h"

#ifdef _WIN32
#include <windows.h>

#include <filesystem>
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace reward_model_score {
namespace {

[[noreturn]] void fail(const std::string& path, int reason) {
  const auto text = std::system_category().message(reason);
#ifdef _WIN32
  const bool missing = reason == ERROR_FILE_NOT_FOUND || reason == ERROR_PATH_NOT_FOUND;
#else
  const bool missing = reason == ENOENT;
#endif
  throw Error(missing ? "ERR_NOT_FOUND" : "ERR_IO", "Cannot read " + path + ": " + text + ".",
              {{"path", path}});
}

}  // namespace

#ifdef _WIN32

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const auto wide = std::filesystem::path(reinterpret_cast<const char8_t*>(path.c_str())).wstring();
  const HANDLE file = CreateFileW(wide.c_str(), GENERIC_READ, FILE_SHARE_READ, nullptr, OPEN_EXISTING,
                                  FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file == INVALID_HANDLE_VALUE) fail(path, static_cast<int>(GetLastError()));
  LARGE_INTEGER size;
  const bool known = GetFileSizeEx(file, &size) != 0;
  if (known && size.QuadPart > 0) mapping_ = CreateFileMappingW(file, nullptr, PAGE_READONLY, 0, 0, nullptr);
  const auto reason = static_cast<int>(GetLastError());
  CloseHandle(file);
  if (!known) fail(path, reason);
  size_ = static_cast<size_t>(size.QuadPart);
  if (size_ == 0) return;
  if (mapping_ == nullptr) fail(path, reason);
  data_ = static_cast<const char*>(MapViewOfFile(mapping_, FILE_MAP_READ, 0, 0, 0));
  if (data_ == nullptr) {
    const auto unmapped = static_cast<int>(GetLastError());
    CloseHandle(mapping_);
    fail(path, unmapped);
  }
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) UnmapViewOfFile(data_);
  if (mapping_ != nullptr) CloseHandle(mapping_);
}

void MappedFile::release(const void* begin, size_t length) const {
  if (!contains(begin)) return;
  // Unlocking pages that are not locked fails, and takes them out of the working set.
  VirtualUnlock(const_cast<void*>(begin), length);
}

void MappedFile::expect_scattered_reads(const void* /*begin*/, size_t /*length*/) const {}

#else

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail(path, errno);
  struct stat status {};
  void* address = MAP_FAILED;
  int reason = fstat(file, &status) == 0 ? 0 : errno;
  if (reason == 0 && S_ISDIR(status.st_mode)) reason = EISDIR;
  if (reason == 0 && status.st_size > 0) {
    size_ = static_cast<size_t>(status.st_size);
    address = mmap(nullptr, size_, PROT_READ, MAP_SHARED, file, 0);
    if (address == MAP_FAILED) reason = errno;
  }
  close(file);
  if (reason != 0) fail(path, reason);
  if (size_ == 0) return;
  data_ = static_cast<const char*>(address);
  // Each tensor is read once from front to back: read far ahead.
  madvise(address, size_, MADV_SEQUENTIAL);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<char*>(data_), size_);
}

void MappedFile::release(const void* begin, size_t length) const { advise(begin, length, MADV_DONTNEED); }

void MappedFile::expect_scattered_reads(const void* begin, size_t length) const {
  advise(begin, length, MADV_RANDOM);
}

// About the whole pages among the bytes.
void MappedFile::advise(const void* begin, size_t length, int advice) const {
  if (!contains(begin)) return;
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto first = (reinterpret_cast<uintptr_t>(begin) + page - 1) / page * page;
  const auto last = (reinterpret_cast<uintptr_t>(begin) + length) / page * page;
  if (last > first) madvise(reinterpret_cast<void*>(first), last - first, advice);
}

#endif

bool MappedFile::contains(const void* address) const {
  const auto* byte = static_cast<const char*>(address);
  return std::less_equal<>()(data_, byte) && std::less<>()(byte, data_ + size_);
}

}  // namespace reward_model_score
