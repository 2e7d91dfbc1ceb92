#pragma once

#include <memory>

#include "ops/lookup_table.h"
#include "weights/checkpoint.h"
#include "weights/weight_reader.h"

namespace reward_model_score {

// A table that stays in its checkpoint: a lookup reads the rows it needs and nothing else. `rows` are those
// of a tensor of that checkpoint.
c10::intrusive_ptr<LookupTable> table_in_file(std::shared_ptr<const Checkpoint> checkpoint,
                                              const WeightReader::RowsInFile& rows);

}  // namespace reward_model_score
