#pragma once

#include <napi.h>

#include <cstdint>
#include <string>

namespace reward_model_score {

// A whole number from `least` to `most`. Throws ERR_INVALID_OPTION.
int64_t read_integer(const Napi::Object& options, const std::string& name, int64_t least, int64_t most);

// The option `threads`: 0 = as many as there are physical cores.
int read_threads(const Napi::Object& options);

}  // namespace reward_model_score
