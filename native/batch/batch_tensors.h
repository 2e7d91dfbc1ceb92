#pragma once

#include <ATen/core/Dict.h>
#include <ATen/core/Tensor.h>

#include <string>

#include "batch/packed_batch.h"

namespace reward_model_score {

// What the stages of a program read and add to, by name.
using BatchTensors = c10::Dict<std::string, at::Tensor>;

// The entries of a checked batch, on the CPU: its fields by their names ("ids", …) and "positions" [tokens],
// "row_lengths" [segments], "pooled" and "gates" [pooled], and "keep" (pooled, then gates) are int64;
// "segments" [segments, 4] is int32: start, length, parent, position of the first token. Throws Error where
// a field has a name of the others.
BatchTensors batch_tensors(const PackedBatch& batch);

}  // namespace reward_model_score
