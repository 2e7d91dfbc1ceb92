#pragma once

#include <c10/core/Device.h>

#include <string>
#include <unordered_map>

#include "batch/batch_tensors.h"

namespace reward_model_score {

// The tensors of a batch on every device that a stage of the program runs on. A tensor moves to a device
// once, whatever the number of stages there. Stages add tensors and may replace them, but never write into
// them.
class DeviceBatch {
 public:
  explicit DeviceBatch(BatchTensors tensors) : tensors_(std::move(tensors)) {}

  // The tensors as a stage on this device takes them.
  const BatchTensors& on(c10::Device device);
  // What a stage on this device has added or replaced is the batch's from now on.
  void adopt(c10::Device device);

  const BatchTensors& tensors() const { return tensors_; }

 private:
  struct Copy {
    at::Tensor source;
    at::Tensor here;
  };
  struct Local {
    BatchTensors tensors;
    std::unordered_map<std::string, Copy> copies;
  };

  BatchTensors tensors_;
  std::unordered_map<c10::Device, Local> locals_;
};

}  // namespace reward_model_score
