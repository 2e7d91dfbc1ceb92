#pragma once

#include <c10/core/Device.h>

#include <map>
#include <string>

#include "compile/program_spec.h"

namespace reward_model_score {

// Where a stage is computed, and where its weights are between two uses.
struct Place {
  enum class Weights {
    kOnDevice,  // where it is computed
    kOnHost,    // brought in and dropped, every time
    kOnDisk,    // read and dropped, every time
  };
  c10::Device device;
  Weights weights;
};

// The device of every stage; see ProgramOptions in lib/native/binding.ts.
class StageDevices {
 public:
  // Throws ERR_DEVICE_UNAVAILABLE.
  StageDevices(std::map<std::string, std::string> devices, const std::string& execution_device);

  c10::Device execution_device() const { return execution_device_; }
  // Throws ERR_INVALID_OPTION if none is named for it.
  Place place(const StageSpec& stage) const;

 private:
  std::map<std::string, std::string> devices_;
  c10::Device execution_device_;
};

}  // namespace reward_model_score
