#include "ops/device/forward_plans.h"

namespace reward_model_score {
namespace {

thread_local ForwardPlans* present = nullptr;

}  // namespace

ForwardPlans::ForwardPlans() : before_(present) { present = this; }

ForwardPlans::~ForwardPlans() { present = before_; }

std::shared_ptr<const void> ForwardPlans::get(Key key,
                                              const std::function<std::shared_ptr<const void>()>& make) {
  if (present == nullptr) return make();
  for (const auto& [known, plan] : present->entries_) {
    if (known.tensor.is_same(key.tensor) && known.type == key.type && known.parameters == key.parameters)
      return plan;
  }
  auto plan = make();
  present->entries_.push_back({std::move(key), plan});
  return plan;
}

}  // namespace reward_model_score
