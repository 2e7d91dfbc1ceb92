#pragma once

#include <cstddef>
#include <string>

namespace reward_model_score {

// A whole file mapped read-only.
class MappedFile {
 public:
  // Throws ERR_NOT_FOUND or ERR_IO.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  const char* data() const { return data_; }
  size_t size() const { return size_; }

  // The bytes at `begin` are not needed any more: lets go of the whole pages among them, so that reading a
  // checkpoint does not hold it in memory beside the model. Reading them again is allowed and costs a read.
  // Memory that is not the file's is left alone.
  void release(const void* begin, size_t length) const;
  // A few of the bytes at `begin` will be read at a time, here and there: reading ahead would be in vain.
  void expect_scattered_reads(const void* begin, size_t length) const;

 private:
  bool contains(const void* address) const;

  std::string path_;
  const char* data_ = nullptr;
  size_t size_ = 0;
#ifdef _WIN32
  void* mapping_ = nullptr;
#else
  void advise(const void* begin, size_t length, int advice) const;
#endif
};

}  // namespace reward_model_score
