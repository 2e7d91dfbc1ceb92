#pragma once

namespace reward_model_score {

// Gives the calling thread's operations this many threads; 0 = physical cores. libtorch keeps the number per
// thread.
void use_threads(int threads);

// One inter-op thread for the process: programs are straight lines, and its pool would only compete for the
// cores.
void use_single_interop_thread();

}  // namespace reward_model_score
