#pragma once

namespace reward_model_score {

// Registers a handler that stops the engine threads before libtorch's static destructors run. Node's own
// cleanup hooks do not run on process.exit() or after an uncaught throw. May be called again.
void stop_threads_at_exit();

}  // namespace reward_model_score
