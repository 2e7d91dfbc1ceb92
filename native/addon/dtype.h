#pragma once

#include <c10/core/ScalarType.h>

#include <string>

namespace reward_model_score {

// Dtype of lib/native/binding.ts. Throws Error.
at::ScalarType read_dtype(const std::string& name);
const char* dtype_name(at::ScalarType dtype);

}  // namespace reward_model_score
