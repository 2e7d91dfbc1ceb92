#include "ops/packed_linear.h"

#include <torch/library.h>

#include "ops/float_linear.h"

namespace reward_model_score {
namespace {

at::Tensor linear(const at::Tensor& x, const c10::intrusive_ptr<PackedLinear>& weight) {
  return weight->forward(x, std::nullopt);
}

at::Tensor linear_add(const at::Tensor& x, const c10::intrusive_ptr<PackedLinear>& weight,
                      const at::Tensor& residual) {
  return weight->forward(x, residual);
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(reward_model_score, library) {
  library.class_<PackedLinear>("PackedLinear")
      .def(torch::init([](const at::Tensor& weight, std::optional<at::Tensor> bias) {
        return float_linear(weight, std::move(bias), weight.scalar_type());
      }));
  library.def("linear(Tensor x, __torch__.torch.classes.reward_model_score.PackedLinear weight) -> Tensor");
  library.def(
      "linear_add(Tensor x, __torch__.torch.classes.reward_model_score.PackedLinear weight, Tensor residual) "
      "-> "
      "Tensor");
}

TORCH_LIBRARY_IMPL(reward_model_score, CPU, library) {
  library.impl("linear", linear);
  library.impl("linear_add", linear_add);
}

}  // namespace reward_model_score
