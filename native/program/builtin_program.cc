#include "program/builtin_program.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include "batch/batch_tensors.h"
#include "error.h"
#include "program/stage_builder.h"

namespace reward_model_score {
namespace {

constexpr std::string_view kOutputPrefix = "out.";

// The fused ops are for the CPU; float16 has none there and runs on the reference.
OpSet ops_for(c10::Device device, at::ScalarType dtype) {
  return device.is_cpu() && dtype != at::kHalf ? OpSet::kFused : OpSet::kReference;
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
  BuiltinProgram(OpLibrary library, BuiltStages built, at::ScalarType dtype, c10::Device device)
      : library_(std::move(library)), built_(std::move(built)), dtype_(dtype), device_(device) {}

  BatchScores forward(const PackedBatch& batch) override {
    if (batch.pooled.empty()) {
      throw Error("ERR_INVALID_OPTION", "The batch is malformed: it pools no token.",
                  {{"option", std::string("batch")}});
    }
    // The fused ops leave nothing for the optimiser to gain, and its profiling would cost every first batch.
    const torch::jit::GraphOptimizerEnabledGuard unoptimised(false);
    const auto tensors = batch_tensors(batch, device_);
    auto x = at::empty({0}, at::TensorOptions(device_).dtype(dtype_));
    for (auto& stage : built_.stages) x = stage.module.forward({std::move(x), tensors}).toTensor();
    const auto rows = static_cast<int64_t>(batch.pooled.size());
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

  int64_t bytes() const override { return built_.bytes; }
  at::ScalarType dtype() const override { return dtype_; }

 private:
  OpLibrary library_;
  BuiltStages built_;
  at::ScalarType dtype_;
  c10::Device device_;
};

}  // namespace

std::unique_ptr<Program> load_builtin_program(const ProgramSpec& spec, const Checkpoint& checkpoint,
                                              at::ScalarType dtype, c10::Device device,
                                              const Progress& progress) {
  if (spec.stages.empty()) throw Error("ERR_MODEL_CONFIG", "The program has no stages.");
  OpLibrary library(ops_for(device, dtype), spec.reference);
  auto built = build_stages(spec, checkpoint, dtype, device, library, progress);
  return std::make_unique<BuiltinProgram>(std::move(library), std::move(built), dtype, device);
}

}  // namespace reward_model_score
