#include "engine/threads.h"

#include <ATen/Parallel.h>
#include <c10/util/Exception.h>

#include "engine/cpu_count.h"

namespace reward_model_score {

void use_threads(int threads) {
  static const int cores = physical_cpu_count();
  thread_local int current = 0;
  const int wanted = threads > 0 ? threads : cores;
  if (wanted == current) return;
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
