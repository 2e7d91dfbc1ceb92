#pragma once
#include <ATen/ops/empty.h>

#include <algorithm>
#include <vector>

namespace reward_model_score {

inline at::Tensor upload(const std::vector<int32_t>& values, c10::Device device) {
  const at::Tensor host = at::empty({static_cast<int64_t>(values.size())}, at::kInt);
  std::copy(values.begin(), values.end(), host.mutable_data_ptr<int32_t>());
  return host.to(device);
}

}  // namespace reward_model_score
