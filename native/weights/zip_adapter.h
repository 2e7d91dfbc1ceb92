#pragma once

#include <caffe2/serialize/read_adapter_interface.h>

#include <algorithm>

#include "weights/model_file.h"

namespace reward_model_score {

// A file for libtorch's reader of zip archives.
class ZipAdapter : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit ZipAdapter(const ModelFile& file) : file_(file) {}
  size_t size() const override { return file_.size(); }
  size_t read(uint64_t position, void* buffer, size_t count, const char* /*what*/) const override {
    // An empty record is read into no buffer at all.
    if (count == 0 || position > file_.size()) return 0;
    const auto available = std::min<uint64_t>(count, file_.size() - position);
    file_.read(position, buffer, available);
    return available;
  }

 private:
  const ModelFile& file_;
};

}  // namespace reward_model_score
