#include "fuzz/reader.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "base/error.h"

namespace reward_model_score {
namespace {

// A file of memory, which is opened as any other.
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
void check(const StoredTensor& tensor, const ModelFile& file) {
  if (!tensor.layout.defined()) return;
  const uint64_t length = extent_of(tensor.layout) * tensor.layout.element_size();
  if (tensor.begin > file.size() || length > file.size() - tensor.begin) std::abort();
  file.read(tensor.begin, length);
}

}  // namespace

void fuzz_reader(std::vector<StoredTensor> (*read)(const ModelFile&), const uint8_t* data, size_t size) {
  const MemoryFile input(data, size);
  const ModelFile file(input.path());
  try {
    for (const auto& tensor : read(file)) check(tensor, file);
  } catch (const Error&) {
  }
}

}  // namespace reward_model_score
