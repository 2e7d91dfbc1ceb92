#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <vector>

#include "engine/engine_thread.h"
#include "run/weight_loader.h"

namespace reward_model_score {

// Brings the weights of the stages that do not keep them on their device, during one forward. A helper thread
// has the next stage's ready while the present stage computes, so two stages' weights are there at a time.
class WeightStream {
 public:
  using Fetch = std::function<StageWeights()>;

  // `fetches` are run in this order; the first is begun at once.
  WeightStream(EngineThread& helper, const std::vector<std::shared_ptr<const Fetch>>& fetches);
  // Interrupts a fetch that is under way and waits for its end: what it brought is freed.
  ~WeightStream();
  WeightStream(const WeightStream&) = delete;
  WeightStream& operator=(const WeightStream&) = delete;

  // The weights of the next stage. Those of the stage before must have been dropped.
  StageWeights take();

 private:
  struct Errand {
    std::atomic<bool> cancelled{false};
    std::promise<StageWeights> weights;
  };

  void begin();

  EngineThread& helper_;
  const std::vector<std::shared_ptr<const Fetch>>& fetches_;
  size_t next_ = 0;
  bool ahead_ = true;
  std::shared_ptr<Errand> errand_;
  std::future<StageWeights> weights_;
};

}  // namespace reward_model_score
