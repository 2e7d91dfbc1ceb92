#pragma once
#include <torch/custom_class.h>

#include <cstdint>

namespace reward_model_score {

/** A weight as an op of the CPU wants it, in a format of its own. */
class PackedWeight : public torch::CustomClassHolder {
 public:
  /** Bytes that it holds in memory. */
  virtual int64_t bytes() const = 0;
};

}  // namespace reward_model_score
