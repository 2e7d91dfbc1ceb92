// CUDA's fused attention for packed sequences as simulated devices have it: what it computes, by the plainest
// means, and what it refuses. Those that are told to be too old refuse it altogether.
#include <ATen/ATen.h>
#include <torch/library.h>

#include <cmath>
#include <vector>

#include "testing/simulator/devices.h"
#include "testing/simulator/kernels.h"

namespace reward_model_score::simulator {
namespace {

/** The keys that a query sees: [from, to). */
struct Seen {
  int64_t from, to;
};

struct Mask {
  bool causal;
  /** -1 = none. */
  int64_t left, right;

  /** Queries and keys are lined up at their ends. */
  Seen operator()(int64_t query, int64_t queries, int64_t keys) const {
    const int64_t at = query + keys - queries, to_the_right = causal ? 0 : right;
    return {left < 0 ? 0 : std::max<int64_t>(0, at - left),
            to_the_right < 0 ? keys : std::min(keys, at + to_the_right + 1)};
  }
};

std::vector<double> attend(const float* query, const float* keys, const float* values, int64_t stride,
                           int64_t d, Seen seen, double scale) {
  std::vector<double> weights, mixed(d);
  double largest = -INFINITY, sum = 0;
  for (int64_t key = seen.from; key < seen.to; ++key) {
    double product = 0;
    for (int64_t i = 0; i < d; ++i) product += double{query[i]} * keys[key * stride + i];
    weights.push_back(product * scale);
    largest = std::max(largest, weights.back());
  }
  for (double& weight : weights) sum += weight = std::exp(weight - largest);
  for (int64_t key = seen.from; key < seen.to; ++key)
    for (int64_t i = 0; i < d; ++i) mixed[i] += weights[key - seen.from] / sum * values[key * stride + i];
  return mixed;
}

at::Tensor as_floats(const at::Tensor& tensor) { return on_cpu(tensor).to(at::kFloat).contiguous(); }

using Optional = std::optional<at::Tensor>;

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor> flash(
    const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const Optional& query_ends,
    const Optional& key_ends, int64_t most_queries, int64_t most_keys, double dropout, bool causal,
    bool debug, std::optional<double> scale, std::optional<int64_t> left, std::optional<int64_t> right,
    const Optional& used, const Optional& alibi, const Optional& blocks, std::optional<int64_t> /*splits*/) {
  const int device = q.device().index();
  begin_operation(device);
  TORCH_CHECK(has_fused_attention(), "FlashAttention only supports Ampere GPUs or newer.");
  TORCH_CHECK(query_ends && key_ends && scale && !used && !alibi && !blocks && dropout == 0 && !debug,
              "not simulated");
  const int64_t heads = q.size(1), kv_heads = k.size(1), d = q.size(2);
  TORCH_CHECK(q.scalar_type() == at::kHalf || q.scalar_type() == at::kBFloat16,
              "FlashAttention only support fp16 and bf16 data type");
  TORCH_CHECK(d % 8 == 0 && d <= 256 && heads % kv_heads == 0, "heads that the kernel cannot take");
  for (const at::Tensor& tensor : {q, k, v}) {
    TORCH_CHECK(tensor.scalar_type() == q.scalar_type() && tensor.stride(2) == 1,
                "not as the kernel reads them");
    TORCH_CHECK(tensor.stride(0) % 8 == 0 && tensor.stride(1) % 8 == 0, "rows that are not aligned");
  }
  for (const at::Tensor& ends : {*query_ends, *key_ends})
    TORCH_CHECK(ends.device() == q.device() && ends.scalar_type() == at::kInt && ends.is_contiguous(),
                "ends that the kernel cannot read");
  const int32_t* queries = on_cpu(*query_ends).const_data_ptr<int32_t>();
  const int32_t* keys = on_cpu(*key_ends).const_data_ptr<int32_t>();
  const int64_t sequences = query_ends->numel() - 1;
  TORCH_CHECK(queries[sequences] == q.size(0) && keys[sequences] == k.size(0) && v.sizes() == k.sizes(),
              "ends that are not those of the tensors");

  const Mask mask{causal, left.value_or(-1), right.value_or(-1)};
  const at::Tensor qs = as_floats(q), ks = as_floats(k), vs = as_floats(v), out = at::empty_like(qs);
  const float* query = qs.const_data_ptr<float>();
  float* result = out.mutable_data_ptr<float>();
  for (int64_t s = 0; s < sequences; ++s) {
    const int64_t count = queries[s + 1] - queries[s], key_count = keys[s + 1] - keys[s];
    TORCH_CHECK(count <= most_queries && key_count <= most_keys, "a sequence longer than the longest");
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t head = 0; head < heads; ++head) {
        const int64_t from = (keys[s] * kv_heads + head / (heads / kv_heads)) * d;
        const int64_t at = ((queries[s] + i) * heads + head) * d;
        const auto mixed =
            attend(query + at, ks.const_data_ptr<float>() + from, vs.const_data_ptr<float>() + from,
                   kv_heads * d, d, mask(i, count, key_count), *scale);
        std::copy(mixed.begin(), mixed.end(), result + at);
      }
    }
  }
  count(device, [](Counters& counters) { ++counters.fused_attention; });
  const at::Tensor mixed = at::empty(q.sizes(), q.options());
  on_cpu(mixed).copy_(out);
  return {mixed, {}, {}, {}, {}};
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) { library.impl("_flash_attention_forward", flash); }

}  // namespace
}  // namespace reward_model_score::simulator
