#include "weights/checkpoint.h"

#include "base/error.h"

namespace reward_model_score {
namespace {

bool starts_with(const ModelFile& file, std::string_view magic) {
  return file.size() >= magic.size() && file.read(0, magic.size()) == magic;
}

// By the name first: the length in front of a safetensors header can look like another format's magic number.
std::vector<StoredTensor> read_file(const ModelFile& file) {
  if (file.path().ends_with(".safetensors")) return read_safetensors(file);
  if (starts_with(file, "PK\x03\x04")) return read_torch_zip(file);
  if (is_torch_legacy(file)) return read_torch_legacy(file);
  refuse_file(file.path(), "it is neither a .safetensors file nor one that torch.save wrote");
}

}  // namespace

Checkpoint::Checkpoint(const std::vector<File>& files) {
  for (const auto& file : files) {
    files_.emplace_back(file.path);
    for (auto& tensor : read_file(files_.back())) {
      tensor.name.insert(0, file.prefix);
      tensor.file = static_cast<int>(files_.size()) - 1;
      tensors_.push_back(std::move(tensor));
    }
  }
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const auto [found, inserted] = by_name_.emplace(tensors_[i].name, i);
    if (!inserted) {
      refuse_file(file(tensors_[i]).path(),
                  "tensor " + tensors_[i].name + " is also in " + file(tensors_[found->second]).path(),
                  tensors_[i].name);
    }
  }
}

const StoredTensor* Checkpoint::find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

}  // namespace reward_model_score
