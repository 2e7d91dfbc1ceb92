#include "program/archive_linear.h"

#include <torch/library.h>

namespace reward_model_score {

at::Tensor archive_linear(const at::Tensor& x, const c10::intrusive_ptr<PackedLinear>& weight) {
  TORCH_CHECK(x.dim() >= 1 && x.size(-1) == weight->in_features(), "linear: the input has shape ", x.sizes(),
              " where ", weight->in_features(), " channels are expected");
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = weight->out_features();
  if (x.numel() == 0) return at::empty(shape, x.options());
  const at::Tensor rows = x.reshape({-1, weight->in_features()}).to(weight->dtype());
  return weight->forward(rows, std::nullopt).to(x.scalar_type()).view(shape);
}

TORCH_LIBRARY_FRAGMENT(reward_model_score, library) {
  library.def(
      "archive_linear(Tensor x, __torch__.torch.classes.reward_model_score.PackedLinear weight) -> Tensor",
      archive_linear);
}

}  // namespace reward_model_score
