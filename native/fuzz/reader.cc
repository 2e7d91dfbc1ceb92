#include "fuzz/reader.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <numeric>
#include <string>

#include "error.h"

namespace reward_model_score {
namespace {

// A file of memory, which the readers map as they do any other.
class MemoryFile {
 public:
  MemoryFile(const uint8_t* data, size_t size) : descriptor_(memfd_create("input", MFD_CLOEXEC)) {
    if (descriptor_ < 0 || write(descriptor_, data, size) != static_cast<ssize_t>(size)) std::abort();
  }
  ~MemoryFile() { close(descriptor_); }
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  const int descriptor_;
};

// The bytes that a tensor reaches, all of which must be the file's.
void check(const StoredTensor& tensor, const MappedFile& file) {
  if (!tensor.data.defined() || tensor.data.numel() == 0) return;
  size_t last = 0;
  for (int64_t i = 0; i < tensor.data.dim(); ++i) {
    last += static_cast<size_t>(tensor.data.size(i) - 1) * static_cast<size_t>(tensor.data.stride(i));
  }
  const auto* begin = static_cast<const char*>(tensor.data.const_data_ptr());
  const size_t length = (last + 1) * tensor.data.element_size();
  if (begin < file.data() || begin + length > file.data() + file.size()) std::abort();
  volatile int sum = std::accumulate(begin, begin + length, 0);
  static_cast<void>(sum);
}

}  // namespace

void fuzz_reader(std::vector<StoredTensor> (*read)(const MappedFile&), const uint8_t* data, size_t size) {
  const MemoryFile input(data, size);
  const MappedFile file(input.path());
  try {
    for (const auto& tensor : read(file)) check(tensor, file);
  } catch (const Error&) {
  }
}

}  // namespace reward_model_score
