#include "engine/runtime.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <c10/core/Device.h>

#include <fstream>
#include <set>

#include "engine/cpu_count.h"
#include "engine/cuda.h"
#include "engine/device.h"

namespace reward_model_score {
namespace {

// The headers know the version that was built against; only the library's own text knows the one that is
// loaded.
std::string loaded_version() {
  const std::string config = at::show_config();
  const std::string key = "TORCH_VERSION=";
  const size_t start = config.find(key);
  if (start == std::string::npos) return "unknown";
  const size_t value = start + key.size();
  return config.substr(value, config.find_first_of(", \n", value) - value);
}

CudaInfo cuda_info() {
  CudaInfo info;
  for (c10::DeviceIndex index = 0; index < count_devices(c10::kCUDA); ++index)
    info.devices.push_back(c10::Device(c10::kCUDA, index).str());
  info.reason = cuda_problem();
  info.available = info.reason.empty();
  return info;
}

std::vector<std::string> openmp_images() {
  std::set<std::string> images;
  std::ifstream maps("/proc/self/maps");  // elsewhere than on Linux: none found
  for (std::string line; std::getline(maps, line);) {
    const size_t path = line.find('/');
    if (path == std::string::npos) continue;
    const std::string name = line.substr(line.rfind('/') + 1);
    for (const char* runtime : {"libgomp", "libomp", "libiomp"}) {
      if (name.rfind(runtime, 0) == 0) images.insert(line.substr(path));
    }
  }
  return {images.begin(), images.end()};
}

}  // namespace

RuntimeInfo runtime_info() {
  return {loaded_version(),     at::get_cpu_capability(), cuda_info(),
          physical_cpu_count(), openmp_images(),          at::get_parallel_info()};
}

}  // namespace reward_model_score
