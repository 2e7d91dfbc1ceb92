#pragma once
#include <ATen/core/Tensor.h>
#include <torch/custom_class.h>

#include <optional>

namespace reward_model_score {

/**
 * A linear layer's weight in the layout that the CPU's matrix product wants. A row of the result does not
 * depend, bit for bit, on the other rows, on their number or on the number of threads.
 */
class PackedLinear : public torch::CustomClassHolder {
 public:
  /** weight [out, in] and bias [out], both float32 or both bfloat16. The weight may be freed afterwards. */
  PackedLinear(const at::Tensor& weight, std::optional<at::Tensor> bias);
  /** The same for inputs and outputs of `dtype`, which the weight need not have if it has `packed_dtype`. */
  PackedLinear(const at::Tensor& weight, std::optional<at::Tensor> bias, at::ScalarType dtype);

  /**
   * What the weights of linears of `dtype` are kept and multiplied in. Without bf16 instructions oneDNN
   * emulates them: several times slower than float32, and the bits of a row depend on the rows beside it.
   */
  static at::ScalarType packed_dtype(at::ScalarType dtype);

  /** x [M, in] -> [M, out] = x Wᵀ + b, plus `residual` [M, out] if there is one. Rounded once. */
  at::Tensor forward(const at::Tensor& x, const std::optional<at::Tensor>& residual) const;

  int64_t in_features() const { return in_; }
  int64_t out_features() const { return out_; }
  at::ScalarType dtype() const { return dtype_; }
  /** Bytes that it holds. */
  int64_t bytes() const { return bytes_; }

 private:
  at::Tensor product(const at::Tensor& x, const std::optional<at::Tensor>& residual) const;

  int64_t in_, out_, bytes_;
  at::ScalarType dtype_;
  at::Tensor weight_;
  std::optional<at::Tensor> bias_;
};

}  // namespace reward_model_score
