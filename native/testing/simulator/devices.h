#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace reward_model_score::simulator {

// A simulated accelerator, "sim": host memory that libtorch takes for the memory of a device.
//
// It is what tests of placement need and have no GPU for. Memory has a size and runs out; whatever mixes its
// devices with each other or with the CPU fails; all that crosses between host and devices is counted; copies
// that need not be waited for are carried out as late as their stream allows, so that who does not wait for
// them reads old numbers; and a device can be made to fail.

constexpr c10::DeviceType kType = c10::DeviceType::PrivateUse1;
constexpr int kMostDevices = 8;

struct Counters {
  int64_t host_to_device = 0;  // bytes
  int64_t device_to_host = 0;
  int64_t from_devices = 0;     // from other simulated devices
  int64_t asynchronous = 0;     // of the bytes from the host: from pinned memory, not waited for
  int64_t operations = 0;       // that were computed
  int64_t most_used = 0;        // bytes of memory at a time
  int64_t fused_attention = 0;  // operations that were it
};

struct State {
  int64_t size = 0;
  int64_t used = 0;
  int64_t reserved = 0;  // what is used, and what was freed and not given back by emptyCache()
  Counters counters;
};

// Replaces all devices by new ones with this much memory each. Refused while some of it is used.
void replace_devices(const std::vector<int64_t>& sizes);
int device_count();
State read(int index);
void reset_counters();

// From now on whatever touches the device fails.
void fail(int index);
void check_working(int index);

// Whether devices have the fused attention kernel, which they have not when they are new.
void set_fused_attention(bool available);
bool has_fused_attention();

// The next operation of the device begins only when this many bytes more have come from the host.
void hold(int index, int64_t bytes);
// Called at the start of every operation.
void begin_operation(int index);

void take_memory(int index, int64_t bytes);  // throws c10::OutOfMemoryError
void give_memory_back(int index, int64_t bytes);
void empty_cache(int index);

void count(int index, const std::function<void(Counters&)>& change);

}  // namespace reward_model_score::simulator
