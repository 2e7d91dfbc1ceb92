#include "engine/device.h"

#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/util/Exception.h>

#include <optional>

#include "error.h"

namespace reward_model_score {
namespace {

std::optional<c10::Device> parse(const std::string& name) {
  try {
    return c10::Device(name);
  } catch (const c10::Error&) {
    return std::nullopt;
  }
}

}  // namespace

c10::Device find_device(const std::string& name) {
  const std::optional<c10::Device> device = parse(name);
  if (device && device->is_cpu()) return c10::Device(c10::kCPU);
  std::string reason = "it is not the name of a device";
  if (device && !device->is_meta()) {
    const c10::DeviceIndex index = device->has_index() ? device->index() : c10::DeviceIndex{0};
    const bool built_in = c10::impl::hasDeviceGuardImpl(device->type());
    const int count = built_in ? c10::impl::getDeviceGuardImpl(device->type())->deviceCount() : 0;
    if (index < count) return c10::Device(device->type(), index);
    reason = built_in ? "libtorch sees " + std::to_string(count) + " of its kind"
                      : "this libtorch was built without support for it";
  }
  throw Error("ERR_DEVICE_UNAVAILABLE",
              "The device \"" + name + "\" cannot be used: " + reason +
                  ". \"reward-model-score doctor\" lists those that can.",
              {{"device", name}});
}

}  // namespace reward_model_score
