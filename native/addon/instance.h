#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "addon/mailbox.h"

namespace reward_model_score {

// What belongs to one Node environment (the main thread or a worker).
class Instance {
 public:
  explicit Instance(Napi::Env env);

  static Instance& of(Napi::Env env) { return *env.GetInstanceData<Instance>(); }

  const std::shared_ptr<Mailbox>& mailbox() const { return mailbox_; }

  // RewardModelScoreError of the JavaScript side, given by initialize().
  Napi::FunctionReference error_class;
  Napi::FunctionReference model_class;
  Napi::FunctionReference checkpoint_class;
  // Listeners of the loads that are running, by the load's number: engine threads hold only the number.
  std::unordered_map<uint64_t, Napi::FunctionReference> progress_listeners;
  uint64_t next_listener = 0;

 private:
  std::shared_ptr<Mailbox> mailbox_;
};

}  // namespace reward_model_score
