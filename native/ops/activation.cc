#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include "ops/dispatch.h"
#include "ops/parallel.h"

namespace reward_model_score {
namespace {

cpu::Activation parse(const char* op, c10::string_view name) {
  if (name == "silu") return cpu::Activation::kSilu;
  if (name == "gelu") return cpu::Activation::kGelu;
  if (name == "gelu_tanh") return cpu::Activation::kGeluTanh;
  if (name == "relu") return cpu::Activation::kRelu;
  if (name == "relu2") return cpu::Activation::kRelu2;
  if (name == "quick_gelu") return cpu::Activation::kQuickGelu;
  if (name == "tanh") return cpu::Activation::kTanh;
  TORCH_CHECK(false, op, ": unknown activation ", name);
}

at::Tensor activation(const at::Tensor& input, c10::string_view name) {
  const at::Tensor x = input.contiguous();
  TORCH_CHECK(x.dim() == 2, "activation: the input is ", x.sizes());
  const int64_t rows = x.size(0), size = x.size(1);
  const cpu::Activation kind = parse("activation", name);
  at::Tensor out = at::empty_like(x);
  dispatch("activation", x, [&](auto element) {
    using T = decltype(element);
    const auto kernel = cpu::kernels<T>().activate;
    const T* from = elements<T>(x);
    T* to = elements<T>(out);
    for_each_row(rows, size * sizeof(T),
                 [&](int64_t i) { kernel(from + i * size, nullptr, kind, size, to + i * size); });
  });
  return out;
}

at::Tensor gated_activation(const at::Tensor& input, c10::string_view name) {
  const at::Tensor gate_up = input.contiguous();
  TORCH_CHECK(gate_up.dim() == 2 && gate_up.size(1) % 2 == 0, "gated_activation: gate and up are ",
              gate_up.sizes());
  const int64_t rows = gate_up.size(0), size = gate_up.size(1) / 2;
  const cpu::Activation kind = parse("gated_activation", name);
  at::Tensor out = at::empty({rows, size}, gate_up.options());
  dispatch("gated_activation", gate_up, [&](auto element) {
    using T = decltype(element);
    const auto kernel = cpu::kernels<T>().activate;
    const T* from = elements<T>(gate_up);
    T* to = elements<T>(out);
    for_each_row(rows, 2 * size * sizeof(T), [&](int64_t i) {
      kernel(from + 2 * i * size, from + (2 * i + 1) * size, kind, size, to + i * size);
    });
  });
  return out;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(reward_model_score, library) {
  library.def("activation(Tensor x, str kind) -> Tensor");
  library.def("gated_activation(Tensor gate_up, str kind) -> Tensor");
}

TORCH_LIBRARY_IMPL(reward_model_score, CPU, library) {
  library.impl("activation", activation);
  library.impl("gated_activation", gated_activation);
}

}  // namespace reward_model_score
