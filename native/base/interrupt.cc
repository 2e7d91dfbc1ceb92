#include "base/interrupt.h"

namespace reward_model_score {
namespace {

thread_local const std::atomic<bool>* current = nullptr;

}  // namespace

void check_interrupt() {
  if (current != nullptr && current->load(std::memory_order_relaxed)) throw Interrupted();
}

InterruptScope::InterruptScope(const std::atomic<bool>& flag) : before_(current) { current = &flag; }

InterruptScope::~InterruptScope() { current = before_; }

}  // namespace reward_model_score
