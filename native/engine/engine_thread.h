#pragma once

#include <c10/core/Device.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>

#include "base/failure.h"

namespace reward_model_score {

// Work for an engine thread. Exactly one of `run` and `drop` is called, unless the process ends before.
struct Task {
  const void* environment = nullptr;  // identifies the Node environment that waits
  const void* model = nullptr;        // identifies the model that it runs, if any
  std::function<void()> run;          // on the engine thread; must not throw
  std::function<void(const Failure&)> drop;
};

// One thread per device does all that touches the device's models: load, forward and free. libtorch keeps
// thread counts, inference mode, OpenMP pools and caches per thread; and models that share the cores take
// turns this way instead of fighting for them.
//
// Threads and queues are never destroyed: other threads may still hold a reference while the process ends.
class EngineThread {
 public:
  // Batches that may wait for one thread; each holds a copy of its ids.
  static constexpr size_t kQueueLimit = 4096;

  // The thread of a device ("cpu", "cuda:0"), or "files" for reading what no device is needed for. Started on
  // first use.
  static EngineThread& of(const std::string& name);
  // A second thread of a device, for what goes on beside its computations. Its name sorts behind the
  // device's.
  static EngineThread& helper_of(c10::Device device);

  // Stops every thread, in the order of their names; called when the process exits. Work that runs is
  // interrupted and waited for. False if one of them did not stop in time.
  static bool stop_all(std::chrono::milliseconds patience);

  const std::string& name() const { return name_; }

  // Refuses with ERR_OVERLOADED when the queue is full.
  void submit(Task task);
  // Queues work that must not be refused, such as freeing a model.
  void submit_always(Task task);

  // Drops the waiting tasks of a model.
  void drop_model(const void* model, const Failure& reason);
  // Drops the waiting tasks of a Node environment and interrupts its running one.
  void drop_environment(const void* environment, const Failure& reason);
  static void drop_environment_everywhere(const void* environment, const Failure& reason);

 private:
  explicit EngineThread(std::string name);
  void loop();
  void enqueue(Task task);
  void drop_if(const std::function<bool(const Task&)>& condition, const Failure& reason);
  bool stop(std::chrono::steady_clock::time_point deadline);

  const std::string name_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> queue_;
  bool running_ = false;
  const void* running_environment_ = nullptr;
  std::atomic<bool> interrupt_{false};
  bool stopping_ = false;
};

}  // namespace reward_model_score
