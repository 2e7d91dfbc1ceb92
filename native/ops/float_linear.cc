#include "ops/float_linear.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include "base/interrupt.h"
#include "ops/cpu/level.h"

namespace reward_model_score {
namespace {

using OptionalTensor = std::optional<at::Tensor>;

// oneDNN's operations of libtorch, which have no C++ header.
at::Tensor reorder(const at::Tensor& weight) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("mkldnn::_reorder_linear_weight", "")
                             .typed<at::Tensor(const at::Tensor&, std::optional<c10::SymInt>)>();
  return op.call(weight, std::nullopt);
}

at::Tensor linear_onednn(const at::Tensor& x, const at::Tensor& weight, const OptionalTensor& bias) {
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("mkldnn::_linear_pointwise", "")
          .typed<at::Tensor(const at::Tensor&, const at::Tensor&, const OptionalTensor&, std::string_view,
                            c10::List<std::optional<at::Scalar>>, std::optional<std::string_view>)>();
  return op.call(x, weight, bias, "none", c10::List<std::optional<at::Scalar>>(), "");
}

at::Tensor linear_add_onednn(const at::Tensor& x, const at::Tensor& residual, const at::Tensor& weight,
                             const OptionalTensor& bias) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("mkldnn::_linear_pointwise", "binary")
                             .typed<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                               const OptionalTensor&, std::string_view)>();
  return op.call(x, residual, weight, bias, "add");
}

class FloatLinear : public PackedLinear {
 public:
  FloatLinear(const at::Tensor& weight, OptionalTensor bias, at::ScalarType dtype);

  at::Tensor forward(const at::Tensor& x, const OptionalTensor& residual) const override;
  int64_t in_features() const override { return in_; }
  int64_t out_features() const override { return out_; }
  at::ScalarType dtype() const override { return dtype_; }
  int64_t bytes() const override { return bytes_; }

 private:
  at::Tensor product(const at::Tensor& x, const OptionalTensor& residual) const;

  int64_t in_, out_, bytes_;
  const at::ScalarType dtype_;
  at::Tensor weight_;
  OptionalTensor bias_;
};

FloatLinear::FloatLinear(const at::Tensor& weight, OptionalTensor bias, at::ScalarType dtype)
    : dtype_(dtype) {
  TORCH_CHECK(weight.dim() == 2 && (dtype_ == at::kFloat || dtype_ == at::kBFloat16),
              "A packed linear needs a float32 or bfloat16 weight [out, in], got ", dtype_, " ",
              weight.sizes());
  out_ = weight.size(0);
  in_ = weight.size(1);
  TORCH_CHECK(!bias || (bias->dim() == 1 && bias->size(0) == out_), "A packed linear with ", out_,
              " outputs got a bias ", bias->sizes());
  const at::ScalarType compute = packed_dtype(dtype_);
  const at::Tensor plain = weight.to(compute).contiguous();
  // The caller's memory is used again, so without oneDNN it has to be copied too.
  weight_ = at::globalContext().hasMKLDNN() ? reorder(plain)
            : plain.is_alias_of(weight)     ? plain.clone()
                                            : plain;
  if (bias) bias_ = bias->to(compute).contiguous();
  bytes_ = (in_ * out_ + (bias ? out_ : 0)) * static_cast<int64_t>(c10::elementSize(compute));
}

at::Tensor FloatLinear::forward(const at::Tensor& input, const OptionalTensor& residual) const {
  check_interrupt();
  TORCH_CHECK(input.dim() == 2 && input.size(1) == in_ && input.scalar_type() == dtype_,
              "linear: the input is ", input.scalar_type(), " ", input.sizes(), ", the weight ", dtype_, " [",
              out_, ", ", in_, "]");
  const at::ScalarType compute = packed_dtype(dtype_);
  const at::Tensor x = input.to(compute).contiguous();
  const OptionalTensor add = residual ? OptionalTensor(residual->to(compute).contiguous()) : std::nullopt;
  // A single row takes another path in oneDNN, with other bits.
  if (x.size(0) == 1)
    return product(x.repeat({2, 1}), add ? OptionalTensor(add->repeat({2, 1})) : std::nullopt)
        .slice(0, 0, 1)
        .to(dtype_);
  return product(x, add).to(dtype_);
}

at::Tensor FloatLinear::product(const at::Tensor& x, const OptionalTensor& residual) const {
  if (weight_.is_mkldnn())
    return residual ? linear_add_onednn(x, *residual, weight_, bias_) : linear_onednn(x, weight_, bias_);
  const at::Tensor y = at::linear(x, weight_, bias_);
  return residual ? *residual + y : y;
}

}  // namespace

at::ScalarType packed_dtype(at::ScalarType dtype) {
#ifdef __x86_64__
  if (dtype == at::kBFloat16 && cpu::level() < cpu::Level::kAvx512Bf16) return at::kFloat;
#endif
  return dtype;
}

c10::intrusive_ptr<PackedLinear> float_linear(const at::Tensor& weight, OptionalTensor bias,
                                              at::ScalarType dtype) {
  return c10::make_intrusive<FloatLinear>(weight, std::move(bias), dtype);
}

}  // namespace reward_model_score
