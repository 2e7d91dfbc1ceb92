#pragma once

#include <ATen/core/Tensor.h>

#include "batch/packed_batch.h"

namespace reward_model_score {

struct PaddedBatch {
  at::Tensor input_ids;       // int64 [rows, longest]
  at::Tensor attention_mask;  // int64 [rows, longest]: 1 for tokens, 0 for padding
};

// The ids of every segment as a row, shorter ones filled on the right. Rows must not share prefixes.
PaddedBatch pad_right(const PackedBatch& batch, int64_t pad_token_id);

}  // namespace reward_model_score
