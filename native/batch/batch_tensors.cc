#include "batch/batch_tensors.h"

#include <ATen/ATen.h>

#include <numeric>

#include "base/error.h"

namespace reward_model_score {
namespace {

at::Tensor as_int64(const std::vector<int32_t>& values) {
  auto tensor = at::empty({static_cast<int64_t>(values.size())}, at::kLong);
  std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<int64_t>());
  return tensor;
}

}  // namespace

BatchTensors batch_tensors(const PackedBatch& batch) {
  auto positions = at::empty({batch.tokens()}, at::kLong);
  auto segments = at::empty({batch.segments(), 4}, at::kInt);
  auto* position = positions.mutable_data_ptr<int64_t>();
  auto* const table = segments.mutable_data_ptr<int32_t>();
  int32_t start = 0;
  for (int64_t s = 0; s < batch.segments(); ++s) {
    const auto length = batch.lengths[s];
    const auto parent = batch.parents[s];
    const auto first = parent < 0 ? 0 : table[4 * parent + 3] + table[4 * parent + 1];
    auto* row = table + 4 * s;
    row[0] = start;
    row[1] = length;
    row[2] = parent;
    row[3] = first;
    std::iota(position + start, position + start + length, static_cast<int64_t>(first));
    start += length;
  }
  const auto pooled = as_int64(batch.pooled);
  const auto gates = as_int64(batch.gates);
  BatchTensors tensors;
  tensors.insert("positions", positions);
  tensors.insert("segments", segments);
  tensors.insert("row_lengths", as_int64(batch.row_lengths));
  tensors.insert("pooled", pooled);
  tensors.insert("gates", gates);
  tensors.insert("keep", at::cat({pooled, gates}));
  for (const auto& [name, values] : batch.fields) {
    if (tensors.insert(name, as_int64(values)).second) continue;
    throw Error("ERR_INVALID_OPTION",
                "The batch is malformed: the field " + name + " has the name of what is derived from it.",
                {{"option", "batch"}});
  }
  return tensors;
}

}  // namespace reward_model_score
