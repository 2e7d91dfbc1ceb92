#include "engine/cuda.h"

#include <ATen/Context.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/util/Exception.h>

#include <cstdlib>
#include <mutex>

#include "engine/device.h"
#include "engine/no_warnings.h"

namespace reward_model_score {
namespace {

struct LoadProblem {
  std::mutex mutex;
  std::string text;
};

LoadProblem& load_problem() {
  static auto* instance = new LoadProblem();
  return *instance;
}

// Without a device, making CUDA ready fails, and libtorch says why.
std::string initialization_problem() {
  const NoWarnings none;
  try {
    at::globalContext().lazyInitDevice(c10::kCUDA);
    return "no device is found";
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    return text.substr(0, text.find('\n'));
  }
}

}  // namespace

void set_cuda_load_problem(const std::string& problem) {
  LoadProblem& known = load_problem();
  std::lock_guard lock(known.mutex);
  known.text = problem;
}

std::string cuda_problem() {
  if (!c10::impl::hasDeviceGuardImpl(c10::kCUDA)) {
    LoadProblem& known = load_problem();
    std::lock_guard lock(known.mutex);
    return known.text.empty() ? "this libtorch is a CPU build"
                              : "the CUDA half of this libtorch cannot be opened: " + known.text;
  }
  if (count_devices(c10::kCUDA) > 0) return "";
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  const std::string problem = initialization_problem();
  // The driver's answer is the same where there is no device and where all are hidden.
  if (visible != nullptr && problem.find("No CUDA GPUs are available") != std::string::npos)
    return "no device is visible: CUDA_VISIBLE_DEVICES is \"" + std::string(visible) + "\"";
  return problem;
}

}  // namespace reward_model_score
