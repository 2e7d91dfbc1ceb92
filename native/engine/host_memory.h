#pragma once

#include <cstdint>

namespace reward_model_score {

struct Memory {
  int64_t total = 0;
  int64_t free = 0;
};

// The host's memory within this process's cgroup limits; `free` is what can be had without swapping, caches
// of files included.
Memory host_memory();

}  // namespace reward_model_score
