#include "testing/simulator/devices.h"

#include <c10/core/Allocator.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace reward_model_score::simulator {
namespace {

// A test that waits in vain should fail by itself, and not before a busy machine had time enough.
constexpr std::chrono::seconds kPatience{30};

struct Device {
  State state;
  bool failed = false;
  int64_t held_until = 0;  // bytes from the host
};

struct Machine {
  std::mutex mutex;
  std::condition_variable changed;
  int count = 0;
  bool fused_attention = false;
  std::array<Device, kMostDevices> devices;
};

Machine& machine() {
  static auto* instance = new Machine();
  return *instance;
}

}  // namespace

void replace_devices(const std::vector<int64_t>& sizes) {
  std::lock_guard lock(machine().mutex);
  TORCH_CHECK(sizes.size() <= kMostDevices, "At most ", kMostDevices, " devices can be simulated.");
  for (int index = 0; index < machine().count; ++index) {
    TORCH_CHECK(machine().devices[index].state.used == 0, "sim:", index, " still holds ",
                machine().devices[index].state.used, " bytes.");
  }
  machine().count = static_cast<int>(sizes.size());
  machine().fused_attention = false;
  for (size_t index = 0; index < sizes.size(); ++index) {
    machine().devices[index] = {};
    machine().devices[index].state.size = sizes[index];
  }
}

int device_count() {
  std::lock_guard lock(machine().mutex);
  return machine().count;
}

State read(int index) {
  std::lock_guard lock(machine().mutex);
  return machine().devices.at(index).state;
}

void reset_counters() {
  std::lock_guard lock(machine().mutex);
  for (Device& device : machine().devices) {
    device.state.counters = {};
    device.state.counters.most_used = device.state.used;
  }
}

void fail(int index) {
  std::lock_guard lock(machine().mutex);
  machine().devices.at(index).failed = true;
  machine().changed.notify_all();
}

void check_working(int index) {
  std::lock_guard lock(machine().mutex);
  TORCH_CHECK(!machine().devices.at(index).failed, "sim:", index, " has failed, as the test wanted.");
}

void set_fused_attention(bool available) {
  std::lock_guard lock(machine().mutex);
  machine().fused_attention = available;
}

bool has_fused_attention() {
  std::lock_guard lock(machine().mutex);
  return machine().fused_attention;
}

void hold(int index, int64_t bytes) {
  std::lock_guard lock(machine().mutex);
  Device& device = machine().devices.at(index);
  device.held_until = device.state.counters.host_to_device + bytes;
}

void begin_operation(int index) {
  std::unique_lock lock(machine().mutex);
  Device& device = machine().devices.at(index);
  const bool came = machine().changed.wait_for(lock, kPatience, [&] {
    return device.failed || device.state.counters.host_to_device >= device.held_until;
  });
  device.held_until = 0;
  TORCH_CHECK(came, "sim:", index, " waited in vain for bytes from the host.");
  TORCH_CHECK(!device.failed, "sim:", index, " has failed, as the test wanted.");
  ++device.state.counters.operations;
}

void take_memory(int index, int64_t bytes) {
  std::lock_guard lock(machine().mutex);
  Device& device = machine().devices.at(index);
  State& state = device.state;
  TORCH_CHECK(!device.failed, "sim:", index, " has failed, as the test wanted.");
  TORCH_CHECK_WITH(OutOfMemoryError, state.used + bytes <= state.size, "sim:", index,
                   " is out of memory. Tried to allocate ", bytes, " bytes where ", state.used, " of ",
                   state.size, " are used.");
  state.used += bytes;
  state.reserved = std::max(state.reserved, state.used);
  state.counters.most_used = std::max(state.counters.most_used, state.used);
}

void give_memory_back(int index, int64_t bytes) {
  std::lock_guard lock(machine().mutex);
  machine().devices.at(index).state.used -= bytes;
}

void empty_cache(int index) {
  std::lock_guard lock(machine().mutex);
  State& state = machine().devices.at(index).state;
  state.reserved = state.used;
}

void count(int index, const std::function<void(Counters&)>& change) {
  std::lock_guard lock(machine().mutex);
  change(machine().devices.at(index).state.counters);
  machine().changed.notify_all();
}

}  // namespace reward_model_score::simulator
