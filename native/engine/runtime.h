#pragma once

#include <string>
#include <vector>

namespace reward_model_score {

struct CudaInfo {
  bool available = false;
  std::vector<std::string> devices;
  std::string reason;
};

struct RuntimeInfo {
  std::string libtorch;        // "2.13.0"
  std::string cpu_capability;  // "AVX512"
  CudaInfo cuda;
  std::string parallel;
};

// What the libtorch that is loaded says about itself.
RuntimeInfo runtime_info();

}  // namespace reward_model_score
