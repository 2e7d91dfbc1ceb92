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
  int threads = 0;                  // that work gets unless told otherwise
  std::vector<std::string> openmp;  // OpenMP libraries in the process: more than one fight for the cores
  std::string parallel;
};

// What the libtorch that is loaded says about itself.
RuntimeInfo runtime_info();

}  // namespace reward_model_score
