#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <functional>

#include "batch/packed_batch.h"

namespace reward_model_score {

// A loaded model. Made, run and destroyed on the engine thread of its device.
class Program {
 public:
  virtual ~Program() = default;
  virtual BatchScores forward(const PackedBatch& batch) = 0;
  // Bytes of weights that it holds.
  virtual int64_t bytes() const = 0;
  // What it computes in.
  virtual at::ScalarType dtype() const = 0;
};

// Told how far loading is, from 0 to 1. Throws Interrupted when nobody waits for the model any more.
using Progress = std::function<void(double fraction)>;

}  // namespace reward_model_score
