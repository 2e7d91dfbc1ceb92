#include "ops/archive/ops.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
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

at::Tensor archive_gated_linear(const at::Tensor& x, const c10::intrusive_ptr<PackedLinear>& weight,
                                c10::string_view activation) {
  static const auto gate = c10::Dispatcher::singleton()
                               .findSchemaOrThrow("reward_model_score::gated_activation", "")
                               .typed<at::Tensor(const at::Tensor&, c10::string_view)>();
  const at::Tensor both = archive_linear(x, weight);
  std::vector<int64_t> shape = both.sizes().vec();
  shape.back() /= 2;
  return gate.call(both.view({-1, weight->out_features()}), activation).view(shape);
}

at::Tensor archive_rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin, int64_t split) {
  const int64_t size = x.size(-1), rest = size - split;
  const bool simple = x.dim() == 4 && x.is_cpu() && x.scalar_type() == at::kFloat && x.stride(3) == 1 &&
                      cos.scalar_type() == at::kFloat && sin.scalar_type() == at::kFloat;
  if (!simple) {
    return x * cos + at::cat({-x.narrow(-1, split, rest), x.narrow(-1, 0, split)}, -1) * sin;
  }
  const int64_t batch = x.size(0), heads = x.size(1), length = x.size(2);
  const at::Tensor c = cos.contiguous().expand(x.sizes()), s = sin.contiguous().expand(x.sizes());
  at::Tensor out = at::empty({batch, heads, length, size}, x.options());
  at::parallel_for(0, batch * heads * length, 64, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t b = row / (heads * length), h = row / length % heads, t = row % length;
      const auto at_row = [&](const at::Tensor& tensor) {
        return tensor.const_data_ptr<float>() + b * tensor.stride(0) + h * tensor.stride(1) +
               t * tensor.stride(2);
      };
      const float *from = at_row(x), *cosine = at_row(c), *sine = at_row(s);
      float* to = out.mutable_data_ptr<float>() + row * size;
      for (int64_t i = 0; i < rest; ++i) to[i] = from[i] * cosine[i] - from[i + split] * sine[i];
      for (int64_t i = rest; i < size; ++i) to[i] = from[i] * cosine[i] + from[i - rest] * sine[i];
    }
  });
  return out;
}

TORCH_LIBRARY_FRAGMENT(reward_model_score, library) {
  library.def(
      "archive_linear(Tensor x, __torch__.torch.classes.reward_model_score.PackedLinear weight) -> Tensor",
      archive_linear);
  library.def(
      "archive_gated_linear(Tensor x, __torch__.torch.classes.reward_model_score.PackedLinear weight, "
      "str activation) -> Tensor",
      archive_gated_linear);
  library.def("archive_rotate(Tensor x, Tensor cos, Tensor sin, int split) -> Tensor", archive_rotate);
  library.def("archive_attention(Tensor query, Tensor key, Tensor value, Tensor mask, float scale) -> Tensor",
              archive_attention);
}

}  // namespace reward_model_score
