#include "run/stage_devices.h"

#include "base/error.h"
#include "compile/stage_attributes.h"
#include "engine/device.h"

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

StageDevices::StageDevices(std::map<std::string, std::string> devices, const std::string& execution_device)
    : devices_(std::move(devices)), execution_device_(find_device(execution_device)) {
  for (const auto& [name, device] : devices_) {
    if (device != kDisk) find_device(device);
  }
}

Place StageDevices::place(const StageSpec& stage) const {
  const auto found = devices_.find(stage.name);
  if (found == devices_.end()) {
    throw Error("ERR_INVALID_OPTION", "No device is named for " + stage.name + ".",
                {{"option", std::string("deviceMap")}});
  }
  const std::string& name = found->second;
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
