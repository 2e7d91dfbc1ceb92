#include "archive/archive.h"

#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/core/DeviceGuard.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/passes/freeze_module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <utility>

#include "archive/convert.h"
#include "archive/file.h"
#include "archive/graph.h"
#include "archive/output.h"
#include "base/failure.h"
#include "batch/padded_batch.h"

namespace reward_model_score {
namespace {

using torch::jit::Module;

Error wrong_signature(const std::string& path, const std::string& found) {
  return {"ERR_MODEL_SIGNATURE",
          "The archive " + path + " has " + found +
              ". It must have forward(input_ids, attention_mask), both int64 tensors [batch, length].",
          {{"path", path}}};
}

void check_arguments(const Module& module, const std::string& path) {
  const auto method = module.find_method("forward");
  if (!method) throw wrong_signature(path, "no method forward");
  const auto& arguments = method->function().getSchema().arguments();
  for (size_t index = 1; index < std::max<size_t>(arguments.size(), 3); ++index) {
    const bool given = index <= 2;
    if (given && index < arguments.size() && at::TensorType::get()->isSubtypeOf(*arguments[index].type()))
      continue;
    if (!given && arguments[index].default_value()) continue;
    std::ostringstream schema;
    schema << method->function().getSchema();
    throw wrong_signature(path, schema.str());
  }
}

at::ScalarType own_dtype(const Module& module) {
  for (const at::Tensor& parameter : module.parameters()) {
    if (parameter.is_floating_point()) return parameter.scalar_type();
  }
  return at::kFloat;
}

class Archive : public Program {
 public:
  Archive(Module module, const ArchiveOptions& options, at::ScalarType dtype, int64_t bytes)
      : module_(std::move(module)), options_(options), dtype_(dtype), bytes_(bytes) {}

  BatchScores forward(const PackedBatch& batch) override {
    const PaddedBatch padded = pad_right(batch, options_.pad_token_id);
    const at::Tensor scores = run(padded);
    return {{scores.data_ptr<float>(), scores.data_ptr<float>() + scores.numel()}, scores.size(1), {}};
  }

  int64_t bytes() const override { return bytes_; }
  at::ScalarType dtype() const override { return dtype_; }

  // An archive that cannot run, or returns something else than scores, is told when it is loaded.
  void try_out() {
    try {
      run({at::zeros({2, 3}, at::kLong), at::ones({2, 3}, at::kLong)});
    } catch (const std::exception& error) {
      const Failure failure = describe_current_exception(options_.device.str());
      if (failure.code != "ERR_BACKEND") throw;
      throw Error("ERR_MODEL_SIGNATURE",
                  "The archive " + options_.path + " failed on two rows of three tokens: " + failure.message +
                      ". Trace it so that it takes any batch size and length.",
                  {{"path", options_.path}});
    }
  }

 private:
  at::Tensor run(const PaddedBatch& batch) {
    const c10::DeviceGuard guard(options_.device);
    // For accelerators the optimiser compiles what it has seen run a few times anew, so that a score would
    // depend on how many batches came before it.
    const torch::jit::GraphOptimizerEnabledGuard optimised(options_.device.is_cpu());
    const at::IValue output =
        module_.forward({batch.input_ids.to(options_.device), batch.attention_mask.to(options_.device)});
    return scores_of_output(output, batch.input_ids.size(0), options_.path);
  }

  Module module_;
  const ArchiveOptions options_;
  const at::ScalarType dtype_;
  const int64_t bytes_;
};

}  // namespace

std::unique_ptr<Program> load_archive(const ArchiveOptions& options, const Progress& progress) {
  progress(0);
  Module module = read_archive(options.path);
  progress(0.5);
  module.eval();
  check_arguments(module, options.path);
  const at::ScalarType own = own_dtype(module);
  // What has no entry is float64, for which float32 will do.
  const auto found = options.dtypes.find(own);
  const at::ScalarType dtype =
      (found == options.dtypes.end() ? options.dtypes.find(at::kFloat) : found)->second;
  torch::jit::freeze_module_inplace(&module);
  // In a float32 graph a float32 that is named may be the model's type or one that its author insists on, as
  // for norms and angles. So only the products are narrowed, which is where it pays.
  const at::ScalarType rest = own == at::kFloat ? own : dtype;
  if (rest != own) convert_dtype(module, own, rest);
  const auto graph = module.get_method("forward").graph();
  const c10::DeviceGuard guard(options.device);
  if (options.device.is_cpu()) {
    move_to_device(module, options.device);
    pack_linears(graph, dtype);
    if (rest == at::kFloat) fuse_operations(graph);
  } else {
    if (rest != dtype) narrow_products(graph, dtype);
    move_to_device(module, options.device);
  }
  progress(0.9);
  const int64_t bytes = bytes_held(module);
  auto archive = std::make_unique<Archive>(std::move(module), options, dtype, bytes);
  archive->try_out();
  progress(1);
  return archive;
}

}  // namespace reward_model_score
