#pragma once

namespace reward_model_score {

// Threads that compute-bound work should use: physical cores, within this process's affinity mask and cgroup
// quota.
int physical_cpu_count();

}  // namespace reward_model_score
