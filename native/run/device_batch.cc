#include "run/device_batch.h"

#include <ATen/ATen.h>

namespace reward_model_score {

const BatchTensors& DeviceBatch::on(c10::Device device) {
  Local& local = locals_[device];
  for (const auto& entry : tensors_) {
    Copy& copy = local.copies[entry.key()];
    if (entry.value().is_same(copy.source)) continue;
    copy = {entry.value(), entry.value().to(device)};
    local.tensors.insert_or_assign(entry.key(), copy.here);
  }
  return local.tensors;
}

void DeviceBatch::adopt(c10::Device device) {
  Local& local = locals_[device];
  for (const auto& entry : local.tensors) {
    Copy& copy = local.copies[entry.key()];
    if (entry.value().is_same(copy.here)) continue;
    copy = {entry.value(), entry.value()};
    tensors_.insert_or_assign(entry.key(), entry.value());
  }
}

}  // namespace reward_model_score
