#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "weights/stored_tensor.h"

namespace reward_model_score {

// Lets a reader of weights read bytes that may be anything. It may refuse them with an Error; what it accepts
// has to lie inside of them.
void fuzz_reader(std::vector<StoredTensor> (*read)(const ModelFile&), const uint8_t* data, size_t size);

}  // namespace reward_model_score
