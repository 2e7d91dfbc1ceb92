#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>

#include "ops/dispatch.h"
#include "ops/parallel.h"
#include "ops/segments.h"

namespace reward_model_score {
namespace {

/** Channels that one thread adds up at a time. */
constexpr int64_t kStripe = 64;

template <class T>
struct Number {
  static double from(T x) { return x; }
  static T to(double x) { return static_cast<T>(x); }
};
template <>
struct Number<cpu::Bf16> {
  static double from(cpu::Bf16 x) { return c10::BFloat16(x.bits, c10::BFloat16::from_bits()); }
  static cpu::Bf16 to(double x) { return {c10::BFloat16(static_cast<float>(x)).x}; }
};

at::Tensor segment_mean(const at::Tensor& input, const at::Tensor& table) {
  const at::Tensor x = input.contiguous();
  TORCH_CHECK(x.dim() == 2, "segment_mean: the input is ", x.sizes());
  const std::vector<Segment> segments = read_segments(table, x.size(0), /*causal=*/true);
  const auto count = static_cast<int64_t>(segments.size());
  const int64_t size = x.size(1), stripes = (size + kStripe - 1) / kStripe;
  at::Tensor out = at::empty({count, size}, x.options());
  dispatch("segment_mean", x, [&](auto element) {
    using T = decltype(element);
    const T* from = elements<T>(x);
    T* to = elements<T>(out);
    for_each_item(count * stripes, [&](int64_t item) {
      const Segment& segment = segments[item / stripes];
      const int64_t first = item % stripes * kStripe, channels = std::min(kStripe, size - first);
      double sums[kStripe] = {};
      for (int64_t token = segment.start; token < segment.start + segment.length; ++token) {
        for (int64_t i = 0; i < channels; ++i) sums[i] += Number<T>::from(from[token * size + first + i]);
      }
      for (int64_t i = 0; i < channels; ++i)
        to[item / stripes * size + first + i] = Number<T>::to(sums[i] / segment.length);
    });
  });
  return out;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(reward_model_score, library) {
  library.def("segment_mean(Tensor x, Tensor segments) -> Tensor");
}

TORCH_LIBRARY_IMPL(reward_model_score, CPU, library) { library.impl("segment_mean", segment_mean); }

}  // namespace reward_model_score
