#include "engine/process_exit.h"

#include <chrono>
#include <cstdlib>

#ifdef __GLIBC__
#include <unistd.h>
#endif

#include "engine/engine_thread.h"

namespace reward_model_score {
namespace {

// An interrupted program leaves at its next linear, which takes milliseconds; an archive without any runs its
// batch to the end.
constexpr std::chrono::seconds kPatience{10};

#ifdef __GLIBC__
void on_process_exit(int status, void*) {
  // A thread that still computes would crash in destroyed libraries. There is nothing left to flush at this
  // point.
  if (!EngineThread::stop_all(kPatience)) _exit(status);
}
#else
void on_process_exit() { EngineThread::stop_all(kPatience); }
#endif

}  // namespace

void stop_threads_at_exit() {
#ifdef __GLIBC__
  on_exit(on_process_exit, nullptr);
#else
  std::atexit(on_process_exit);
#endif
}

}  // namespace reward_model_score
