#include "addon/load_model.h"

#include <chrono>
#include <utility>

#include "addon/instance.h"
#include "addon/model.h"
#include "addon/request.h"
#include "base/interrupt.h"
#include "engine/threads.h"

namespace reward_model_score {
namespace {

// Sends at most twenty reports a second to the listener.
Progress report_to(std::shared_ptr<Mailbox> mailbox, uint64_t listener) {
  using Clock = std::chrono::steady_clock;
  return [mailbox, listener, last = Clock::time_point{}](double fraction) mutable {
    check_interrupt();
    const auto now = Clock::now();
    if (fraction < 1 && now - last < std::chrono::milliseconds(50)) return;
    last = now;
    mailbox->send([listener, fraction](Napi::Env env) {
      auto& listeners = Instance::of(env).progress_listeners;
      const auto found = listeners.find(listener);
      if (found != listeners.end()) found->second.Call({Napi::Number::New(env, fraction)});
    });
  };
}

}  // namespace

Napi::Promise load_model(Napi::Env env, LoadRequest request) {
  Instance& instance = Instance::of(env);
  const std::shared_ptr<Mailbox> mailbox = instance.mailbox();
  const uint64_t listener = instance.next_listener++;
  if (request.on_progress.IsFunction()) {
    instance.progress_listeners[listener] = Napi::Persistent(request.on_progress.As<Napi::Function>());
  }
  EngineThread& thread = EngineThread::of(request.device);
  auto work = [threads = request.threads, load = std::move(request.load), mailbox, listener,
               &thread]() -> MakeValue {
    // Whatever happens, the listener goes when the load is over.
    std::shared_ptr<void> over(nullptr, [mailbox, listener](void*) {
      mailbox->send([listener](Napi::Env env) { Instance::of(env).progress_listeners.erase(listener); });
    });
    use_threads(threads);
    auto model = std::make_shared<LoadedModel>(thread, threads, load(report_to(mailbox, listener)));
    return [model](Napi::Env env) { return Model::make(env, model); };
  };
  return send_request(env, {thread, nullptr, false, std::move(work)});
}

}  // namespace reward_model_score
