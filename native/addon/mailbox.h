#pragma once

#include <napi.h>

#include <functional>
#include <mutex>

namespace reward_model_score {

// Carries work from engine threads to the JavaScript thread of one Node environment. Shared by the
// environment and by everything that may still send to it; after close() what is sent is thrown away.
class Mailbox {
 public:
  using Message = std::function<void(Napi::Env)>;

  explicit Mailbox(Napi::Env env);

  // From any thread.
  void send(Message message);

  // The rest only on the JavaScript thread. A pending request keeps the process alive.
  void add_pending();
  void remove_pending();
  void close();

 private:
  std::mutex mutex_;
  napi_env env_;
  napi_threadsafe_function function_ = nullptr;
  bool open_ = true;
  int pending_ = 0;
};

}  // namespace reward_model_score
