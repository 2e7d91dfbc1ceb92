#include "engine/threads.h"

#include <ATen/Parallel.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <future>
#include <system_error>
#include <thread>
#include <vector>

#include "base/error.h"
#include "engine/cpu_count.h"

namespace reward_model_score {

namespace {

// OpenMP ends the process when it cannot start a thread, so the system is asked before: limits of users and
// of containers are known in no other way. The calling thread has `present` threads, itself among them.
void require_startable(int wanted, int present) {
  std::promise<void> all;
  const std::shared_future<void> started = all.get_future().share();
  std::vector<std::thread> threads;
  try {
    for (int i = present; i < wanted; ++i) threads.emplace_back([started] { started.wait(); });
  } catch (const std::system_error&) {
  }
  all.set_value();
  for (auto& thread : threads) thread.join();
  const int most = present + static_cast<int>(threads.size());
  if (most >= wanted) return;
  throw Error("ERR_INVALID_OPTION",
              "The system does not let this process start " + std::to_string(wanted) +
                  " threads for a device: set the option threads to " + std::to_string(most) +
                  " or fewer, or raise the limit (ulimit -u, pids.max of the container).",
              {{"option", "threads"}});
}

}  // namespace

void use_threads(int threads) {
  static const int cores = physical_cpu_count();
  thread_local int current = 0;
  const int wanted = threads > 0 ? threads : cores;
  if (wanted == current) return;
  require_startable(wanted, std::max(1, current));
  at::set_num_threads(wanted);
  current = wanted;
}

void use_single_interop_thread() {
  static const bool done = [] {
    try {
      at::set_num_interop_threads(1);
    } catch (const c10::Error&) {
      // Another user of the same libtorch has already started its pool; it stays as it is.
    }
    return true;
  }();
  (void)done;
}

}  // namespace reward_model_score
