#pragma once

#include <c10/core/Device.h>

#include <string>
#include <vector>

#include "engine/host_memory.h"

namespace reward_model_score {

// The device that a name such as "cpu", "cuda" or "cuda:1" stands for, always with an index but for the CPU.
// Throws ERR_DEVICE_UNAVAILABLE when this process has none of that name.
c10::Device find_device(const std::string& name);

// How many devices of a kind this process can use.
c10::DeviceIndex count_devices(c10::DeviceType kind);

struct DeviceMemory {
  c10::Device device;
  Memory memory;
};

// The CPU, and the accelerators whose memory libtorch can tell. Asking a CUDA device makes a context on it.
std::vector<DeviceMemory> list_devices();

// Gives memory that accelerators' allocators keep for later back to the devices.
void empty_device_caches();

}  // namespace reward_model_score
