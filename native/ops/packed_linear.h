#pragma once
#include <ATen/core/Tensor.h>

#include <optional>

#include "ops/packed_weight.h"

namespace reward_model_score {

/**
 * A linear layer's weight in the layout and the number format that a matrix product of the CPU wants. A row
 * of the result does not depend, bit for bit, on the other rows, on their number or on the number of threads.
 */
class PackedLinear : public PackedWeight {
 public:
  /** x [M, in] -> [M, out] = x Wᵀ + b, plus `residual` [M, out] if there is one. Rounded once. */
  virtual at::Tensor forward(const at::Tensor& x, const std::optional<at::Tensor>& residual) const = 0;

  virtual int64_t in_features() const = 0;
  virtual int64_t out_features() const = 0;
  /** Of inputs and outputs, whatever the weight is kept in. */
  virtual at::ScalarType dtype() const = 0;
};

}  // namespace reward_model_score
