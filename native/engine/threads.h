#pragma once

namespace reward_model_score {

// More than there is a use for; OpenMP has no limit and dies of it.
constexpr int kMostThreads = 1024;

// Gives the calling thread's operations this many threads; 0 = physical cores. libtorch keeps the number per
// thread. Throws ERR_INVALID_OPTION for more than the system lets this process start.
void use_threads(int threads);

// One inter-op thread for the process: programs are straight lines, and its pool would only compete for the
// cores.
void use_single_interop_thread();

}  // namespace reward_model_score
