#pragma once

#include <memory>
#include <vector>

#include "compile/op_library.h"
#include "compile/program_spec.h"
#include "run/host_to_device.h"
#include "weights/checkpoint.h"
#include "weights/weight_reader.h"

namespace reward_model_score {

// The weights of one stage, in the order of StageSpec::weights.
using StageWeights = std::vector<c10::IValue>;

// Reads the weights of stages from a checkpoint to the device that computes them, as the ops of `library`
// take them there. For one thread at a time.
class WeightLoader {
 public:
  // Told the bytes of each weight that is in place. Throws Interrupted when nobody waits any more.
  using Loaded = std::function<void(int64_t bytes)>;

  WeightLoader(std::shared_ptr<const Checkpoint> checkpoint, at::ScalarType dtype,
               std::shared_ptr<const OpLibrary> library, c10::Device device);

  StageWeights load(const StageSpec& stage, const Loaded& loaded);
  // The same for weights that are on the host already, in the form of the reference ops.
  StageWeights copy(const StageWeights& host);

 private:
  StageWeights transfer(const std::function<StageWeights()>& begin);
  c10::IValue load(const WeightSpec& spec);
  c10::IValue pack(const WeightSpec& spec);
  Weight move(const WeightSpec& spec);
  c10::IValue copy(const c10::IValue& host);

  const std::shared_ptr<const Checkpoint> checkpoint_;
  WeightReader reader_;
  const std::shared_ptr<const OpLibrary> library_;
  std::optional<HostToDevice> transfer_;  // for a device that is not the CPU
};

}  // namespace reward_model_score
