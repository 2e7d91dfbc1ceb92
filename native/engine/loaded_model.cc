#include "engine/loaded_model.h"

#include <utility>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "engine/activation_memory.h"
#include "engine/device.h"
#include "engine/threads.h"

namespace reward_model_score {
namespace {

// Without it allocators keep freed weights for themselves.
void return_memory_to_system() {
  ActivationMemory::release();
  // A device that has failed cannot give anything back.
  fence("cpu", empty_device_caches);
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace

LoadedModel::LoadedModel(EngineThread& thread, int threads, std::unique_ptr<Program> program)
    : thread_(thread),
      threads_(threads),
      program_(std::move(program)),
      bytes_(program_->bytes()),
      dtype_(program_->dtype()) {}

LoadedModel::~LoadedModel() {
  if (program_ == nullptr) return;
  // std::function needs something that can be copied.
  std::shared_ptr<Program> program = std::move(program_);
  Task task;
  task.run = [program]() mutable {
    program.reset();
    return_memory_to_system();
  };
  program.reset();
  task.drop = [](const Failure&) {};
  thread_.submit_always(std::move(task));
}

BatchScores LoadedModel::forward(const PackedBatch& batch) {
  use_threads(threads_);
  const ActivationMemory reused;
  return program_->forward(batch);
}

void LoadedModel::free() {
  program_.reset();
  return_memory_to_system();
}

}  // namespace reward_model_score
