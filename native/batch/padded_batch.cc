#include "batch/padded_batch.h"

#include <ATen/Functions.h>

#include <algorithm>

#include "base/error.h"

namespace reward_model_score {

PaddedBatch pad_right(const PackedBatch& batch, int64_t pad_token_id) {
  for (const int32_t parent : batch.parents) {
    if (parent != -1) {
      throw Error("ERR_INVALID_OPTION", "An archive cannot run a batch with shared prefixes.",
                  {{"option", "batch"}});
    }
  }
  const int64_t longest = *std::max_element(batch.lengths.begin(), batch.lengths.end());
  at::Tensor ids = at::full({batch.segments(), longest}, pad_token_id, at::kLong);
  at::Tensor mask = at::zeros({batch.segments(), longest}, at::kLong);
  int64_t* id_row = ids.data_ptr<int64_t>();
  int64_t* mask_row = mask.data_ptr<int64_t>();
  auto next = batch.ids().begin();
  for (const int32_t length : batch.lengths) {
    std::copy_n(next, length, id_row);
    std::fill_n(mask_row, length, 1);
    next += length;
    id_row += longest;
    mask_row += longest;
  }
  return {ids, mask};
}

}  // namespace reward_model_score
