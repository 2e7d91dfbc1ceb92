#pragma once
// The table of segments that attention is given, and the sizes that come with it.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace reward_model_score {

struct Segment {
  /** Index of its first token in the pack, and its number of tokens. */
  int32_t start, length;
  /** The segment that it continues, or -1. */
  int32_t parent;
  /** Absolute position of its first token. */
  int32_t position;
};

struct AttentionShape {
  int64_t q_heads, kv_heads, head_dim;
  double scale;
  /** A query sees no keys behind it. */
  bool causal;
  /** Keys that far away, and farther, are not seen; 0 = none. */
  int64_t window;
  /** 0 = none. */
  double softcap;

  int64_t group() const { return q_heads / kv_heads; }
};

/** Checks the arguments of an attention op but for the table. */
void check_attention(const at::Tensor& qkv, const AttentionShape& shape);

/** `table` int32 [S, 4] on the host: reference.py says what is in it. Checks every row. */
std::vector<Segment> read_segments(const at::Tensor& table, int64_t tokens, bool causal);

}  // namespace reward_model_score
