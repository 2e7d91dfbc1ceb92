#pragma once

#include <atomic>

namespace reward_model_score {

// Leaves a running program when nobody waits for its result any more. Not a std::exception, so that the
// TorchScript interpreter lets it through as it is.
struct Interrupted {};

// Ops that take long call this first. Throws Interrupted when this thread's work has been interrupted.
void check_interrupt();

// For as long as it lives, check_interrupt() of this thread looks at `flag`; afterwards, at what it looked at
// before.
class InterruptScope {
 public:
  explicit InterruptScope(const std::atomic<bool>& flag);
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

 private:
  const std::atomic<bool>* const before_;
};

}  // namespace reward_model_score
