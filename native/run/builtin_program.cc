#include "run/builtin_program.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include "base/error.h"
#include "base/failure.h"
#include "base/interrupt.h"
#include "batch/batch_tensors.h"
#include "ops/device/forward_plans.h"
#include "run/device_batch.h"
#include "run/placed_stages.h"

namespace reward_model_score {
namespace {

constexpr std::string_view kOutputPrefix = "out.";

// What runs on an accelerator is not done when the call returns.
void wait_for(c10::Device device) {
  if (device.is_cpu()) return;
  const auto* guard = c10::impl::getDeviceGuardImpl(device.type());
  guard->synchronizeStream(guard->getStream(device));
}

std::vector<float> to_floats(const at::Tensor& tensor, int64_t rows, const std::string& what) {
  if (tensor.dim() != 2 || tensor.size(0) != rows) {
    throw Error("ERR_BACKEND", "The program's " + what + " is not one row per pooled token.");
  }
  const auto values = tensor.to(at::TensorOptions(at::kCPU).dtype(at::kFloat)).contiguous();
  const auto* data = values.const_data_ptr<float>();
  return {data, data + values.numel()};
}

class BuiltinProgram : public Program {
 public:
  BuiltinProgram(PlacedStages placed, at::ScalarType dtype, c10::Device execution_device)
      : placed_(std::move(placed)), dtype_(dtype), helper_(EngineThread::helper_of(execution_device)) {
    for (const auto& stage : placed_.stages) {
      if (stage.fetch != nullptr) fetches_.push_back(stage.fetch);
    }
  }

  BatchScores forward(const PackedBatch& batch) override {
    if (batch.pooled.empty()) {
      throw Error("ERR_INVALID_OPTION", "The batch is malformed: it pools no token.",
                  {{"option", std::string("batch")}});
    }
    // The fused ops leave nothing for the optimiser to gain, and its profiling would cost every first batch.
    const torch::jit::GraphOptimizerEnabledGuard unoptimised(false);
    const ForwardPlans plans;
    DeviceBatch tensors(batch_tensors(batch));
    auto x = at::empty({0}, dtype_);
    WeightStream weights(helper_, fetches_);
    for (const auto& stage : placed_.stages) {
      check_interrupt();
      name_failures(stage.device.str(), [&] { run(stage, weights, tensors, x); });
    }
    return scores_of(x, tensors.tensors(), static_cast<int64_t>(batch.pooled.size()));
  }

  int64_t bytes() const override { return placed_.bytes; }
  at::ScalarType dtype() const override { return dtype_; }

 private:
  static void run(const PlacedStage& stage, WeightStream& weights, DeviceBatch& tensors, at::Tensor& x) {
    const c10::DeviceGuard guard(stage.device);
    x = x.to(stage.device);
    const auto& local = tensors.on(stage.device);
    if (stage.resident) {
      auto module = *stage.resident;
      x = module.forward({std::move(x), local}).toTensor();
    } else {
      auto module = stage.bind(weights.take());
      x = module.forward({std::move(x), local}).toTensor();
      // The weights are dropped here, and two stages' are all that there is room for.
      wait_for(stage.device);
    }
    tensors.adopt(stage.device);
  }

  static BatchScores scores_of(const at::Tensor& x, const BatchTensors& tensors, int64_t rows) {
    BatchScores scores;
    scores.scores = to_floats(x, rows, "score");
    scores.labels = x.size(1);
    for (const auto& entry : tensors) {
      if (!entry.key().starts_with(kOutputPrefix)) continue;
      const auto name = entry.key().substr(kOutputPrefix.size());
      const auto width = entry.value().dim() == 2 ? entry.value().size(1) : 0;
      scores.extra.push_back({name, to_floats(entry.value(), rows, "output " + name), width});
    }
    return scores;
  }

  PlacedStages placed_;
  std::vector<std::shared_ptr<const WeightStream::Fetch>> fetches_;
  const at::ScalarType dtype_;
  EngineThread& helper_;
};

}  // namespace

std::unique_ptr<Program> load_builtin_program(const ProgramSpec& spec,
                                              const std::shared_ptr<const Checkpoint>& checkpoint,
                                              at::ScalarType dtype, const StageDevices& devices,
                                              const Progress& progress) {
  if (spec.stages.empty()) throw Error("ERR_MODEL_CONFIG", "The program has no stages.");
  return std::make_unique<BuiltinProgram>(place_stages(spec, checkpoint, dtype, devices, progress), dtype,
                                          devices.execution_device());
}

}  // namespace reward_model_score
