#pragma once

#include <c10/core/ScalarType.h>

#include <optional>
#include <string>

namespace reward_model_score {

// Dtype and DtypeOption of lib/native/binding.ts; nothing for "auto". Throws Error.
std::optional<at::ScalarType> read_dtype(const std::string& name);
const char* dtype_name(at::ScalarType dtype);

}  // namespace reward_model_score
