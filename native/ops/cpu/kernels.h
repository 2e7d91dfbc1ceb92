#pragma once
// What each instruction set provides. `kernels<T>()` picks the table for this machine.
#include "elements.h"

namespace reward_model_score::cpu {

/**
 * Terms of a score that depend on how far a key is from a query, of one head. What a term reads is null where
 * it is not there. The scale of the scores is applied to their sum.
 */
struct Distances {
  /** [width] columns a row. */
  int64_t width;
  /** Column by position of the key - position of the query, from the smallest up; this points at the entry of
   * 0. */
  const int32_t* columns;
  /** Products of the queries with a table: [rows, width]. */
  const float* of_queries;
  /** Products of the keys with a table, by position: [end, filled up to whole blocks, width]. */
  const float* of_keys;
  /** [width] */
  const float* bias;
};

/** Query rows of one block of positions: `rows` tokens in `heads` heads that share keys and values. */
template <class T>
struct Attend {
  const T* query;
  /** Elements from one token to the next. */
  int64_t query_stride;
  int64_t rows;
  int64_t heads;
  int64_t head_dim;
  /** Absolute positions of the first row, and behind the last key. */
  int64_t position;
  int64_t end;
  /** Packed blocks of keys and values, the first one at absolute position `first_block` * kBlock. */
  const char* const* blocks;
  int64_t block_count;
  int64_t first_block;
  float scale;
  bool causal;
  /** 0 = none. */
  int64_t window;
  /** 0 = none. */
  float softcap;
  T* out;
  int64_t out_stride;
  char* scratch;
  /** Or null; with it there is one head. */
  const Distances* distances;
};

template <class T>
struct Rotary {
  /** One token: heads of q, then of k, then of v. */
  T* row;
  const float* cos;
  const float* sin;
  /** Pairs (i, i + half) of the first 2 * half channels are rotated. */
  int64_t half;
  int64_t q_heads;
  int64_t kv_heads;
  int64_t head_dim;
  /** RMSNorm of each head, or null. */
  const float* q_norm;
  const float* k_norm;
  float eps;
  /** Added to the norms' weights: 1 for Gemma, else 0. */
  float offset;
};

template <class T>
struct Kernels {
  void (*rms_norm)(const T* x, const float* weight, float offset, float eps, int64_t size, T* out);
  void (*layer_norm)(const T* x, const float* weight, const float* bias, float eps, int64_t size, T* out);
  void (*rotary)(const Rotary<T>& token);
  /** out[i] = activation(x[i]) * up[i], or without `up` where it is null. */
  void (*activate)(const T* x, const T* up, Activation activation, int64_t size, T* out);

  /** Bytes of one packed block of keys and values. */
  int64_t (*block_bytes)(int64_t head_dim);
  /** `tokens[0..count)` are the rows of `keys` and `values` (at distance `stride`) that fill the block from
   * its start. */
  void (*pack)(const T* keys, const T* values, int64_t stride, const int32_t* tokens, int64_t count,
               int64_t head_dim, char* block);
  /**
   * Products of kMaxRows rows at most, at distance `stride`, with the keys of packed blocks: out [count,
   * kBlock * block_count].
   */
  void (*products)(const T* rows, int64_t stride, int64_t count, int64_t head_dim, const char* const* blocks,
                   int64_t block_count, float* out, char* scratch);
  int64_t (*scratch_bytes)(int64_t head_dim);
  void (*attend)(const Attend<T>& query);
};

template <class T>
const Kernels<T>& kernels();

/** The tables of one instruction set. A build for another processor has only the portable ones. */
namespace avx512_bf16 {
extern const Kernels<float> kFloat32;
extern const Kernels<Bf16> kBfloat16;
}  // namespace avx512_bf16
namespace avx512 {
extern const Kernels<float> kFloat32;
extern const Kernels<Bf16> kBfloat16;
}  // namespace avx512
namespace avx2 {
extern const Kernels<float> kFloat32;
extern const Kernels<Bf16> kBfloat16;
}  // namespace avx2
namespace portable {
extern const Kernels<float> kFloat32;
extern const Kernels<Bf16> kBfloat16;
}  // namespace portable

}  // namespace reward_model_score::cpu
