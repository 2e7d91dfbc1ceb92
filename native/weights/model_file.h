#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace reward_model_score {

// A file of a model, open for reading. What is wanted is copied out of it, not mapped: touching a mapped file
// that somebody has cut short ends the process. A file that is written to while it is open gives no more
// bytes; one that another file takes the place of stays what it was.
class ModelFile {
 public:
  // Throws ERR_NOT_FOUND, or ERR_IO: also for what is no regular file and could keep a reader waiting.
  explicit ModelFile(const std::string& path);
  ~ModelFile();
  ModelFile(const ModelFile&) = delete;
  ModelFile& operator=(const ModelFile&) = delete;

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }

  // Copies bytes that lie inside the file; the threads of the caller's operations share a long copy. Throws
  // ERR_IO, or ERR_MODEL_CORRUPT for a file that has changed since it was opened.
  void read(uint64_t offset, void* to, size_t count) const;
  std::string read(uint64_t offset, size_t count) const;

 private:
  void read_piece(uint64_t offset, char* to, size_t count) const;
  // After a read: then what it read is what was there.
  void require_unchanged() const;
  [[noreturn]] void refuse_changed() const;

  const std::string path_;
  uint64_t size_ = 0;
#ifdef _WIN32
  void* file_;
#else
  int file_;
  int64_t modified_ = 0;  // nanoseconds
#endif
};

}  // namespace reward_model_score
