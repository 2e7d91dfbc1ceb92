#include "run/weight_stream.h"

#include <c10/util/Exception.h>

#include <chrono>

#include "base/interrupt.h"
#include "engine/threads.h"

namespace reward_model_score {

WeightStream::WeightStream(EngineThread& helper, const std::vector<std::shared_ptr<const Fetch>>& fetches)
    : helper_(helper), fetches_(fetches) {
  begin();
}

WeightStream::~WeightStream() {
  if (!weights_.valid()) return;
  errand_->cancelled = true;
  // When the process ends, threads stop in the order of their names, so the helper outlives this wait.
  weights_.wait();
}

void WeightStream::begin() {
  if (next_ == fetches_.size()) return;
  errand_ = std::make_shared<Errand>();
  weights_ = errand_->weights.get_future();
  Task task;
  task.run = [errand = errand_, fetch = fetches_[next_]] {
    const InterruptScope interruptible(errand->cancelled);
    // The other cores belong to the stage that computes.
    use_threads(1);
    try {
      errand->weights.set_value((*fetch)());
    } catch (...) {
      errand->weights.set_exception(std::current_exception());
    }
  };
  task.drop = [errand = errand_](const Failure&) {
    errand->weights.set_exception(std::make_exception_ptr(Interrupted()));
  };
  helper_.submit_always(std::move(task));
}

StageWeights WeightStream::take() {
  const Fetch& fetch = *fetches_[next_++];
  StageWeights weights;
  if (weights_.valid()) {
    while (weights_.wait_for(std::chrono::milliseconds(10)) != std::future_status::ready) check_interrupt();
    try {
      weights = weights_.get();
    } catch (const c10::OutOfMemoryError&) {
      // A device with room for one stage's weights has none for those of two.
      ahead_ = false;
    }
  }
  if (!ahead_) return fetch();
  begin();
  return weights;
}

}  // namespace reward_model_score
