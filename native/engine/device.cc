#include "engine/device.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/util/Exception.h>

#include <functional>
#include <optional>

#include "base/error.h"
#include "engine/cuda.h"
#include "engine/no_warnings.h"

namespace reward_model_score {
namespace {

std::optional<c10::Device> parse(const std::string& name) {
  try {
    return c10::Device(name);
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

// Visits libtorch's interface to the memory of every kind of accelerator that is there; backends of the old
// kind have none.
void for_each_allocator(const std::function<void(c10::DeviceType, c10::DeviceAllocator&)>& visit) {
  for (int type = 0; type < c10::COMPILE_TIME_MAX_DEVICE_TYPES; ++type) {
    const auto kind = static_cast<c10::DeviceType>(type);
    if (kind == c10::kCPU || kind == c10::kMeta || count_devices(kind) == 0) continue;
    auto* allocator = dynamic_cast<c10::DeviceAllocator*>(c10::GetAllocator(kind));
    if (allocator != nullptr) visit(kind, *allocator);
  }
}

}  // namespace

c10::DeviceIndex count_devices(c10::DeviceType kind) {
  if (!c10::impl::hasDeviceGuardImpl(kind)) return 0;
  const NoWarnings none;
  return c10::impl::getDeviceGuardImpl(kind)->deviceCount();
}

c10::Device find_device(const std::string& name) {
  const std::optional<c10::Device> device = parse(name);
  if (device && device->is_cpu()) return c10::Device(c10::kCPU);
  std::string reason = "it is not the name of a device";
  if (device && !device->is_meta()) {
    const c10::DeviceIndex index = device->has_index() ? device->index() : c10::DeviceIndex{0};
    const int count = count_devices(device->type());
    if (index < count) return c10::Device(device->type(), index);
    reason = c10::impl::hasDeviceGuardImpl(device->type())
                 ? "libtorch sees " + std::to_string(count) + " of its kind"
                 : "this libtorch was built without support for it";
    if (device->is_cuda() && count == 0) reason = cuda_problem();
  }
  throw Error("ERR_DEVICE_UNAVAILABLE",
              "The device \"" + name + "\" cannot be used: " + reason +
                  ". \"reward-model-score doctor\" lists those that can.",
              {{"device", name}});
}

std::vector<DeviceMemory> list_devices() {
  std::vector<DeviceMemory> devices{{c10::Device(c10::kCPU), host_memory()}};
  for_each_allocator([&](c10::DeviceType kind, c10::DeviceAllocator& allocator) {
    for (c10::DeviceIndex index = 0; index < count_devices(kind); ++index) {
      const auto [free, total] = allocator.getMemoryInfo(index);
      devices.push_back(
          {c10::Device(kind, index), {static_cast<int64_t>(total), static_cast<int64_t>(free)}});
    }
  });
  return devices;
}

void empty_device_caches() {
  for_each_allocator([](c10::DeviceType, c10::DeviceAllocator& allocator) {
    if (allocator.initialized()) allocator.emptyCache();
  });
}

}  // namespace reward_model_score
