#include "ops/product_rate.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>

#include "base/interrupt.h"
#include "ops/float_linear.h"

namespace reward_model_score {
namespace {

// Large enough for every device to be at its best, and no larger than the linears of usual models.
constexpr int64_t kRows = 2048, kInner = 2048, kColumns = 4096;
constexpr double kProduct = 2.0 * kRows * kInner * kColumns;
// A run is at least this long, so that a clock can measure it.
constexpr double kSeconds = 0.1;
constexpr int kRuns = 6;

}  // namespace

double product_rate(c10::Device device, at::ScalarType dtype) {
  const auto options = at::TensorOptions(device).dtype(dtype);
  const auto x = at::ones({kRows, kInner}, options);
  const auto weight = at::ones({kColumns, kInner}, options);
  const bool packs = device.is_cpu() && dtype != at::kHalf;
  const auto packed = packs ? float_linear(weight, std::nullopt, dtype) : nullptr;

  const auto seconds = [&](int64_t products) {
    check_interrupt();
    const auto start = std::chrono::steady_clock::now();
    at::Tensor y;
    for (int64_t i = 0; i < products; ++i)
      y = packed ? packed->forward(x, std::nullopt) : at::linear(x, weight);
    // Reading a value waits for an accelerator.
    y[0][0].item();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };

  seconds(1);  // the first one allocates and chooses kernels
  const auto products = std::max<int64_t>(1, static_cast<int64_t>(kSeconds / seconds(1)));
  double best = 0;
  for (int run = 0; run < kRuns; ++run) {
    best = std::max(best, kProduct * static_cast<double>(products) / seconds(products));
  }
  return best;
}

}  // namespace reward_model_score
