#pragma once

#include <c10/core/Device.h>

#include <string>

namespace reward_model_score {

// The device that a name such as "cpu", "cuda" or "cuda:1" stands for, always with an index but for the CPU.
// Throws ERR_DEVICE_UNAVAILABLE when this process has none of that name.
c10::Device find_device(const std::string& name);

}  // namespace reward_model_score
