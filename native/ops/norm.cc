#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include "ops/dispatch.h"
#include "ops/parallel.h"

namespace reward_model_score {
namespace {

at::Tensor rms_norm(const at::Tensor& input, const at::Tensor& weight, double eps, bool unit_offset) {
  const at::Tensor x = input.contiguous();
  const int64_t size = x.size(-1), rows = x.numel() / size;
  const float* w = weights("rms_norm", weight, size);
  at::Tensor out = at::empty_like(x);
  dispatch("rms_norm", x, [&](auto element) {
    using T = decltype(element);
    const auto kernel = cpu::kernels<T>().rms_norm;
    const T* from = elements<T>(x);
    T* to = elements<T>(out);
    for_each_row(rows, size * sizeof(T), [&](int64_t i) {
      kernel(from + i * size, w, unit_offset ? 1 : 0, static_cast<float>(eps), size, to + i * size);
    });
  });
  return out;
}

at::Tensor layer_norm(const at::Tensor& input, const std::optional<at::Tensor>& weight,
                      const std::optional<at::Tensor>& bias, double eps) {
  const at::Tensor x = input.contiguous();
  const int64_t size = x.size(-1), rows = x.numel() / size;
  const float* w = weight ? weights("layer_norm", *weight, size) : nullptr;
  const float* b = bias ? weights("layer_norm", *bias, size) : nullptr;
  at::Tensor out = at::empty_like(x);
  dispatch("layer_norm", x, [&](auto element) {
    using T = decltype(element);
    const auto kernel = cpu::kernels<T>().layer_norm;
    const T* from = elements<T>(x);
    T* to = elements<T>(out);
    for_each_row(rows, size * sizeof(T), [&](int64_t i) {
      kernel(from + i * size, w, b, static_cast<float>(eps), size, to + i * size);
    });
  });
  return out;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(reward_model_score, library) {
  library.def("rms_norm(Tensor x, Tensor weight, float eps, bool unit_offset) -> Tensor");
  library.def("layer_norm(Tensor x, Tensor? weight, Tensor? bias, float eps) -> Tensor");
}

TORCH_LIBRARY_IMPL(reward_model_score, CPU, library) {
  library.impl("rms_norm", rms_norm);
  library.impl("layer_norm", layer_norm);
}

}  // namespace reward_model_score
