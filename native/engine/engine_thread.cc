#include "engine/engine_thread.h"

#include <c10/core/Device.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "base/interrupt.h"
#include "engine/process_exit.h"
#include "engine/threads.h"

namespace reward_model_score {
namespace {

struct Registry {
  std::mutex mutex;
  std::map<std::string, EngineThread*> threads;

  std::vector<EngineThread*> all() {
    std::lock_guard lock(mutex);
    std::vector<EngineThread*> result;
    for (const auto& [name, thread] : threads) result.push_back(thread);
    return result;
  }
};

// Leaked: static destructors run while engine threads may still be alive.
Registry& registry() {
  static auto* instance = new Registry();
  return *instance;
}

constexpr char kHelper[] = " helper";

// A new thread of an accelerator works on device 0 until told otherwise, and any new thread has as many
// helpers as OMP_NUM_THREADS says. Those of devices are given a number with their work.
void set_up(const std::string& name) {
  if (name == "files") return use_threads(1);
  const c10::Device device(name.substr(0, name.find(kHelper)));
  if (device.is_cpu()) return;
  c10::impl::VirtualGuardImpl(device.type()).setDevice(device);
}

}  // namespace

EngineThread& EngineThread::of(const std::string& name) {
  Registry& all = registry();
  std::lock_guard lock(all.mutex);
  EngineThread*& thread = all.threads[name];
  if (thread == nullptr) thread = new EngineThread(name);
  return *thread;
}

EngineThread& EngineThread::helper_of(c10::Device device) { return of(device.str() + kHelper); }

EngineThread::EngineThread(std::string name) : name_(std::move(name)) {
  std::thread([this] { loop(); }).detach();
}

void EngineThread::submit(Task task) {
  std::unique_lock lock(mutex_);
  if (queue_.size() >= kQueueLimit) {
    lock.unlock();
    const auto limit = static_cast<int64_t>(kQueueLimit);
    task.drop({"ERR_OVERLOADED",
               std::to_string(limit) + " batches already wait for " + name_ +
                   ". Await earlier ones before adding more.",
               {{"limit", limit}}});
    return;
  }
  enqueue(std::move(task));
}

void EngineThread::submit_always(Task task) {
  std::lock_guard lock(mutex_);
  enqueue(std::move(task));
}

void EngineThread::enqueue(Task task) {
  queue_.push_back(std::move(task));
  changed_.notify_all();
}

void EngineThread::loop() {
  c10::InferenceMode inference;
  std::optional<Failure> broken = fence(name_, [&] { set_up(name_); });
  InterruptScope interruptible(interrupt_);
  for (uint64_t finished = 1;; ++finished) {
    Task task;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      task = std::move(queue_.front());
      queue_.pop_front();
      interrupt_ = false;
      running_ = true;
      running_environment_ = task.environment;
    }
    if (broken) {
      task.drop(*broken);
    } else {
      task.run();
    }
    task = {};  // what the task holds is freed on this thread, before it counts as finished
    // libtorch makes function-local statics in its first runs. Their destructors run before any exit handler
    // that was registered earlier, so ours is registered again.
    if ((finished & (finished - 1)) == 0) stop_threads_at_exit();
    std::lock_guard lock(mutex_);
    running_ = false;
    running_environment_ = nullptr;
    changed_.notify_all();
  }
}

void EngineThread::drop_if(const std::function<bool(const Task&)>& condition, const Failure& reason) {
  std::vector<Task> dropped;
  {
    std::lock_guard lock(mutex_);
    std::deque<Task> kept;
    for (Task& task : queue_) {
      if (condition(task)) {
        dropped.push_back(std::move(task));
      } else {
        kept.push_back(std::move(task));
      }
    }
    queue_ = std::move(kept);
  }
  for (const Task& task : dropped) task.drop(reason);
}

void EngineThread::drop_model(const void* model, const Failure& reason) {
  drop_if([&](const Task& task) { return task.model == model; }, reason);
}

void EngineThread::drop_environment(const void* environment, const Failure& reason) {
  drop_if([&](const Task& task) { return task.environment == environment; }, reason);
  std::lock_guard lock(mutex_);
  if (running_ && running_environment_ == environment) interrupt_ = true;
}

void EngineThread::drop_environment_everywhere(const void* environment, const Failure& reason) {
  for (EngineThread* thread : registry().all()) thread->drop_environment(environment, reason);
}

bool EngineThread::stop(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  interrupt_ = true;
  changed_.notify_all();
  // Waiting tasks stay in the queue: destroying them here would free tensors on a thread that does not own
  // them.
  return changed_.wait_until(lock, deadline, [&] { return !running_; });
}

bool EngineThread::stop_all(std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  bool stopped = true;
  for (EngineThread* thread : registry().all()) stopped = thread->stop(deadline) && stopped;
  return stopped;
}

}  // namespace reward_model_score
