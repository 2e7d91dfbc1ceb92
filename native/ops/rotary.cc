#include <torch/library.h>

#include "ops/dispatch.h"
#include "ops/parallel.h"

namespace reward_model_score {
namespace {

/** Works in place. */
at::Tensor rotary(const at::Tensor& qkv, const at::Tensor& cos, const at::Tensor& sin, int64_t q_heads,
                  int64_t kv_heads, int64_t head_dim, const std::optional<at::Tensor>& q_norm,
                  const std::optional<at::Tensor>& k_norm, double eps, bool unit_offset) {
  TORCH_CHECK(qkv.dim() == 2 && qkv.is_contiguous() && qkv.size(1) == (q_heads + 2 * kv_heads) * head_dim,
              "rotary: qkv is ", qkv.sizes(), " for ", q_heads, " + 2 x ", kv_heads, " heads of ", head_dim);
  const int64_t tokens = qkv.size(0), width = qkv.size(1), half = cos.size(1);
  TORCH_CHECK(2 * half <= head_dim, "rotary: ", 2 * half, " channels to rotate in heads of ", head_dim);
  const float* c = weights("rotary", cos, tokens * half);
  const float* s = weights("rotary", sin, tokens * half);
  const float* q_weight = q_norm ? weights("rotary", *q_norm, head_dim) : nullptr;
  const float* k_weight = k_norm ? weights("rotary", *k_norm, head_dim) : nullptr;
  dispatch("rotary", qkv, [&](auto element) {
    using T = decltype(element);
    const auto kernel = cpu::kernels<T>().rotary;
    T* rows = elements<T>(qkv);
    for_each_row(tokens, (q_heads + kv_heads) * head_dim * sizeof(T), [&](int64_t i) {
      kernel({.row = rows + i * width,
              .cos = c + i * half,
              .sin = s + i * half,
              .half = half,
              .q_heads = q_heads,
              .kv_heads = kv_heads,
              .head_dim = head_dim,
              .q_norm = q_weight,
              .k_norm = k_weight,
              .eps = static_cast<float>(eps),
              .offset = unit_offset ? 1.0f : 0.0f});
    });
  });
  return qkv;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(reward_model_score, library) {
  library.def(
      "rotary(Tensor(a!) qkv, Tensor cos, Tensor sin, int q_heads, int kv_heads, int head_dim, Tensor? "
      "q_norm, "
      "Tensor? k_norm, float eps, bool unit_offset) -> Tensor(a!)");
}

TORCH_LIBRARY_IMPL(reward_model_score, CPU, library) { library.impl("rotary", rotary); }

}  // namespace reward_model_score
