#pragma once

#include <memory>

#include "engine/engine_thread.h"
#include "engine/program.h"

namespace reward_model_score {

// A program and the engine thread that owns it. May be held by any thread; the program is touched by its own
// only.
class LoadedModel {
 public:
  LoadedModel(EngineThread& thread, int threads, std::unique_ptr<Program> program);
  // Hands the program back to its thread to be freed.
  ~LoadedModel();
  LoadedModel(const LoadedModel&) = delete;
  LoadedModel& operator=(const LoadedModel&) = delete;

  EngineThread& thread() const { return thread_; }
  int64_t bytes() const { return bytes_; }
  at::ScalarType dtype() const { return dtype_; }

  // On the engine thread.
  BatchScores forward(const PackedBatch& batch);
  void free();

 private:
  EngineThread& thread_;
  const int threads_;
  std::unique_ptr<Program> program_;
  const int64_t bytes_;
  const at::ScalarType dtype_;
};

}  // namespace reward_model_score
