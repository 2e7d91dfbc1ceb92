#include "ops/segments.h"

#include <c10/util/Exception.h>

namespace reward_model_score {

void check_attention(const at::Tensor& qkv, const AttentionShape& shape) {
  const auto [q_heads, kv_heads, head_dim, scale, causal, window, softcap] = shape;
  TORCH_CHECK(kv_heads > 0 && q_heads % kv_heads == 0 && head_dim > 0 && head_dim % 2 == 0 &&
                  qkv.dim() == 2 && qkv.size(1) == (q_heads + 2 * kv_heads) * head_dim,
              "attention: qkv is ", qkv.sizes(), " for ", q_heads, " + 2 x ", kv_heads, " heads of ",
              head_dim);
  TORCH_CHECK(scale > 0 && window >= 0 && softcap >= 0, "attention: scale ", scale, ", window ", window,
              ", softcap ", softcap);
}

std::vector<Segment> read_segments(const at::Tensor& table, int64_t tokens, bool causal) {
  TORCH_CHECK(table.scalar_type() == at::kInt && table.dim() == 2 && table.size(1) == 4,
              "attention: segments must be int32 [S, 4], not ", table.scalar_type(), " ", table.sizes());
  const at::Tensor rows = table.contiguous();
  const int32_t* row = rows.const_data_ptr<int32_t>();
  std::vector<Segment> segments(rows.size(0));
  for (int32_t s = 0; s < rows.size(0); ++s, row += 4) {
    const Segment segment{row[0], row[1], row[2], row[3]};
    const bool root = segment.parent == -1;
    const bool fits = segment.start >= 0 && segment.length >= 1 && segment.length <= tokens - segment.start;
    const bool known = root || (segment.parent >= 0 && segment.parent < s);
    TORCH_CHECK(fits && known &&
                    segment.position ==
                        (root ? 0 : segments[segment.parent].position + segments[segment.parent].length),
                "attention: segment ", s, " is (start ", row[0], ", length ", row[1], ", parent ", row[2],
                ", position ", row[3], ") in a pack of ", tokens, " tokens");
    TORCH_CHECK(causal || root, "attention: segment ", s, " continues another, which needs causal attention");
    segments[s] = segment;
  }
  return segments;
}

}  // namespace reward_model_score
