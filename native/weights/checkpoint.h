#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "weights/model_file.h"
#include "weights/stored_tensor.h"

namespace reward_model_score {

// The weights of a model: safetensors files or state dicts of torch.save, one or several shards; or the
// archive of an exported program.
class Checkpoint {
 public:
  // See CheckpointFile in lib/native/binding.ts.
  struct File {
    std::string path;
    std::string prefix;
  };

  // Opens the files and checks their headers; no tensor is read. Throws ERR_MODEL_CORRUPT, ERR_NOT_FOUND,
  // ERR_IO, or ERR_NOT_SUPPORTED for files of a big endian machine.
  explicit Checkpoint(const std::vector<File>& files);

  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  // nullptr if there is none.
  const StoredTensor* find(const std::string& name) const;
  const ModelFile& file(const StoredTensor& tensor) const { return files_[tensor.file]; }

 private:
  std::deque<ModelFile> files_;
  std::vector<StoredTensor> tensors_;
  std::unordered_map<std::string_view, size_t> by_name_;
};

}  // namespace reward_model_score
