#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/native/CPUBlas.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <vector>

#include "base/interrupt.h"
#include "ops/archive/ops.h"

// Written for the compiler to vectorise, once for each instruction set.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define REWARD_MODEL_SCORE_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define REWARD_MODEL_SCORE_CLONES
#endif

namespace reward_model_score {
namespace {

constexpr int64_t kBlock = 64;

int64_t round_up(int64_t count) { return (count + kBlock - 1) / kBlock * kBlock; }

// weights = exp(scores * scale + mask - largest), summed; the first `keys` of `padded`, the rest becomes 0.
// exp by 2^n * P(r): relative error 2e-7.
REWARD_MODEL_SCORE_CLONES
float soften_row(float* scores, const float* mask, float scale, int64_t keys, int64_t padded) {
  constexpr int64_t kLanes = 16;
  float most[kLanes];
  for (float& lane : most) lane = -std::numeric_limits<float>::infinity();
  int64_t i = 0;
  for (; i + kLanes <= keys; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const float score = scores[i + lane] * scale + mask[i + lane];
      scores[i + lane] = score;
      most[lane] = score > most[lane] ? score : most[lane];
    }
  }
  for (; i < keys; ++i) {
    scores[i] = scores[i] * scale + mask[i];
    most[0] = scores[i] > most[0] ? scores[i] : most[0];
  }
  float largest = most[0];
  for (const float lane : most) largest = lane > largest ? lane : largest;

  float sums[kLanes] = {};
  for (i = 0; i < padded; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      // Below it the result would not be a normal number; exp of it is as good as 0.
      const bool counts = i + lane < keys && scores[i + lane] - largest > -87.0f;
      const float x = counts ? scores[i + lane] - largest : 0.0f;
      const float n = static_cast<float>(static_cast<int32_t>(x * 1.44269504f - 0.5f));
      const float r = x - n * 0.693145752f - n * 1.42860677e-6f;
      float p = 1.3888889e-3f;
      p = p * r + 8.3333333e-3f;
      p = p * r + 4.1666667e-2f;
      p = p * r + 1.6666667e-1f;
      p = p * r + 0.5f;
      p = p * r + 1.0f;
      p = p * r + 1.0f;
      const float power = std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
      const float weight = counts ? p * power : 0.0f;
      scores[i + lane] = weight;
      sums[lane] += weight;
    }
  }
  float sum = 0;
  for (const float lane : sums) sum += lane;
  return sum;
}

struct Head {
  const float* query;  // [queries, channels], rows `query_stride` apart
  int64_t query_stride;
  const float* key;
  int64_t key_stride;
  const float* value;
  int64_t value_stride;
  const float* mask;  // [queries, keys]
  int64_t mask_stride;
  float* out;  // [queries, channels], contiguous
  int64_t queries, keys, channels;
};

// The number of keys up to the last one that any of these queries may see. What a mask hides lies far below
// any score, and its weight is exactly 0.
int64_t visible_keys(const Head& head, int64_t first, int64_t count) {
  constexpr float kHidden = -1e30f;
  int64_t visible = 1;
  for (int64_t row = first; row < first + count; ++row) {
    const float* mask = head.mask + row * head.mask_stride;
    int64_t last = head.keys;
    while (last > visible && mask[last - 1] < kHidden) --last;
    // A query that may see nothing weighs all keys alike.
    if (last == visible && *std::max_element(mask, mask + visible) < kHidden) return head.keys;
    visible = last;
  }
  return visible;
}

// Products on whole blocks of 64 by oneDNN's micro-kernels, so that only a few of them have to be generated.
void attend(const Head& head, float scale) {
  const int64_t padded = round_up(head.keys), channels = head.channels;
  thread_local std::vector<float> scratch;
  scratch.assign((2 * padded + 2 * kBlock) * channels + kBlock * padded, 0.0f);
  float* keys = scratch.data();              // [channels, padded]
  float* values = keys + padded * channels;  // [padded, channels]
  float* queries = values + padded * channels;
  float* sums = queries + kBlock * channels;
  float* scores = sums + kBlock * channels;  // [64, padded]
  for (int64_t key = 0; key < head.keys; ++key) {
    const float* row = head.key + key * head.key_stride;
    for (int64_t channel = 0; channel < channels; ++channel) keys[channel * padded + key] = row[channel];
    std::memcpy(values + key * channels, head.value + key * head.value_stride, channels * sizeof(float));
  }
  for (int64_t first = 0; first < head.queries; first += kBlock) {
    const int64_t count = std::min(kBlock, head.queries - first);
    const int64_t visible = visible_keys(head, first, count), blocks = round_up(visible);
    for (int64_t row = 0; row < count; ++row) {
      std::memcpy(queries + row * channels, head.query + (first + row) * head.query_stride,
                  channels * sizeof(float));
    }
    for (int64_t block = 0; block < blocks; block += kBlock) {
      at::native::cpublas::brgemm(kBlock, kBlock, channels, channels, padded, padded, false, queries,
                                  keys + block, scores + block);
    }
    float totals[kBlock];
    for (int64_t row = 0; row < count; ++row) {
      totals[row] = soften_row(scores + row * padded, head.mask + (first + row) * head.mask_stride, scale,
                               visible, blocks);
    }
    for (int64_t block = 0; block < blocks; block += kBlock) {
      at::native::cpublas::brgemm(kBlock, channels, kBlock, padded, channels, channels, block > 0,
                                  scores + block, values + block * channels, sums);
    }
    for (int64_t row = 0; row < count; ++row) {
      float* out = head.out + (first + row) * channels;
      for (int64_t channel = 0; channel < channels; ++channel)
        out[channel] = sums[row * channels + channel] / totals[row];
    }
  }
}

bool fits(const at::Tensor& tensor) {
  return tensor.dim() == 4 && tensor.is_cpu() && tensor.scalar_type() == at::kFloat && tensor.stride(3) == 1;
}

}  // namespace

at::Tensor archive_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                             const at::Tensor& mask, double scale) {
  check_interrupt();
  const bool simple = fits(query) && fits(key) && fits(value) && mask.is_cpu() &&
                      mask.scalar_type() == at::kFloat && key.size(1) == query.size(1) &&
                      value.size(3) == query.size(3) && query.numel() > 0 && key.numel() > 0;
  if (!simple) {
    const at::Tensor scores = at::matmul(query, key.transpose(2, 3)) * scale + mask;
    return at::matmul(at::softmax(scores, -1, at::kFloat).to(query.scalar_type()), value);
  }
  const int64_t batch = query.size(0), heads = query.size(1), queries = query.size(2), keys = key.size(2);
  at::Tensor masks = mask.expand({batch, heads, queries, keys});
  if (masks.stride(3) != 1 && keys > 1) masks = mask.contiguous().expand({batch, heads, queries, keys});
  if (masks.stride(3) != 1 && keys > 1) masks = masks.contiguous();
  at::Tensor out = at::empty({batch, heads, queries, query.size(3)}, query.options());
  at::parallel_for(0, batch * heads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; ++index) {
      const auto start = [&](const at::Tensor& tensor) {
        return tensor.const_data_ptr<float>() + index / heads * tensor.stride(0) +
               index % heads * tensor.stride(1);
      };
      float* to = out.mutable_data_ptr<float>() + index * queries * query.size(3);
      attend({start(query), query.stride(2), start(key), key.stride(2), start(value), value.stride(2),
              start(masks), masks.stride(2), to, queries, keys, query.size(3)},
             static_cast<float>(scale));
    }
    at::native::cpublas::brgemm_release(false);
  });
  return out;
}

}  // namespace reward_model_score
