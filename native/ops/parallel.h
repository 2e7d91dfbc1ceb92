#pragma once
// Work for the CPU kernels' threads. What an item computes never depends on which thread takes it, or when.
#include <ATen/Parallel.h>

#include <atomic>
#include <cstdint>

namespace reward_model_score {

/** f(i) for every item; each thread takes the next one that is left, so items may differ in size. */
template <class F>
void for_each_item(int64_t count, const F& f) {
  std::atomic<int64_t> next{0};
  at::parallel_for(0, std::min<int64_t>(count, at::get_num_threads()), 1, [&](int64_t begin, int64_t end) {
    // One range may stand for several threads (inside another parallel region): the first empties the queue.
    for (int64_t thread = begin; thread < end; ++thread)
      for (int64_t i = next++; i < count; i = next++) f(i);
  });
}

/** f(i) for every row of an operation that moves about `bytes` a row. */
template <class F>
void for_each_row(int64_t count, int64_t bytes, const F& f) {
  constexpr int64_t kBytesWorthAThread = 1 << 16;
  at::parallel_for(0, count, std::max<int64_t>(1, kBytesWorthAThread / bytes),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t i = begin; i < end; ++i) f(i);
                   });
}

}  // namespace reward_model_score
