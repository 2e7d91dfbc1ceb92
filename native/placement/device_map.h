#pragma once

#include <c10/core/Device.h>

#include <map>
#include <string>

#include "program/program_spec.h"

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

// See ProgramOptions in lib/native/binding.ts.
class DeviceMap {
 public:
  // Throws ERR_DEVICE_UNAVAILABLE.
  DeviceMap(std::map<std::string, std::string> devices, const std::string& execution_device);

  c10::Device execution_device() const { return execution_device_; }
  // Throws ERR_INVALID_OPTION if the map names no device for it.
  Place place(const StageSpec& stage) const;

 private:
  const std::string& device_of(const std::string& stage) const;

  std::map<std::string, std::string> devices_;
  c10::Device execution_device_;
};

}  // namespace reward_model_score
