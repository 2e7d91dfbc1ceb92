#pragma once
#include <ATen/core/Tensor.h>

#include "ops/packed_weight.h"

namespace reward_model_score {

/** A table [rows, columns] that a program on the CPU looks rows up in. */
class LookupTable : public PackedWeight {
 public:
  /** ids [N] int64 -> [N, columns] in the table's own type. */
  virtual at::Tensor rows(const at::Tensor& ids) const = 0;
};

/** One that is in memory. */
c10::intrusive_ptr<LookupTable> table_in_memory(const at::Tensor& table);

}  // namespace reward_model_score
