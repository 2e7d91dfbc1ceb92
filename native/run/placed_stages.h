#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compile/program_spec.h"
#include "compile/stage_compiler.h"
#include "engine/program.h"
#include "run/stage_devices.h"
#include "run/weight_stream.h"
#include "weights/checkpoint.h"

namespace reward_model_score {

// A compiled stage on its device.
struct PlacedStage {
  c10::Device device;
  StageClass code;
  std::vector<StageAttribute> constants;
  std::vector<StageAttribute> weights;  // without values
  // For a stage that keeps its weights: the stage bound to them.
  std::optional<torch::jit::Module> resident = std::nullopt;
  // For one that does not: brings them in.
  std::shared_ptr<const WeightStream::Fetch> fetch = nullptr;

  torch::jit::Module bind(StageWeights values) const;
};

struct PlacedStages {
  std::vector<PlacedStage> stages;
  int64_t bytes = 0;  // of weights in memory, on all devices
};

// Checks every weight of the program against the checkpoint's headers before it takes memory for the first,
// compiles the stages, and reads the weights of those that keep them. What stays on disk is read from the
// checkpoint in every forward.
PlacedStages place_stages(const ProgramSpec& spec, const std::shared_ptr<const Checkpoint>& checkpoint,
                          at::ScalarType dtype, const StageDevices& devices, const Progress& progress);

}  // namespace reward_model_score
