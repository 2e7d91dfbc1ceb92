#include "placement/device_map.h"

#include "engine/device.h"
#include "error.h"
#include "program/stage_attributes.h"

namespace reward_model_score {
namespace {

constexpr char kDisk[] = "disk";

bool has_weights(const StageSpec& stage) {
  bool found = false;
  for_each_weight(stage, [&](const WeightSpec&) { found = true; });
  return found;
}

bool has_only_tables(const StageSpec& stage) {
  bool only = true;
  for_each_weight(stage,
                  [&](const WeightSpec& weight) { only = only && weight.kind == WeightSpec::Kind::kTable; });
  return only;
}

}  // namespace

DeviceMap::DeviceMap(std::map<std::string, std::string> devices, const std::string& execution_device)
    : devices_(std::move(devices)), execution_device_(find_device(execution_device)) {
  for (const auto& [name, device] : devices_) {
    if (device != kDisk) find_device(device);
  }
}

// The longest prefix that ends where a name of a module does.
const std::string& DeviceMap::device_of(const std::string& stage) const {
  for (std::string prefix = stage;;) {
    if (const auto found = devices_.find(prefix); found != devices_.end()) return found->second;
    if (prefix.empty()) break;
    const size_t dot = prefix.rfind('.');
    prefix.resize(dot == std::string::npos ? 0 : dot);
  }
  throw Error("ERR_INVALID_OPTION", "The device map names no device for " + stage + ".",
              {{"option", std::string("deviceMap")}});
}

Place DeviceMap::place(const StageSpec& stage) const {
  const std::string& name = device_of(stage.name);
  const bool on_disk = name == kDisk;
  const c10::Device kept = on_disk ? c10::Device(c10::kCPU) : find_device(name);
  if (!kept.is_cpu()) return {kept, Place::Weights::kOnDevice};
  if (!has_weights(stage)) return {execution_device_, Place::Weights::kOnDevice};
  // The rows that a batch looks up are far less than the table, so they are what moves.
  const c10::Device device = has_only_tables(stage) ? kept : execution_device_;
  if (on_disk) return {device, Place::Weights::kOnDisk};
  return {device, device.is_cpu() ? Place::Weights::kOnDevice : Place::Weights::kOnHost};
}

}  // namespace reward_model_score
