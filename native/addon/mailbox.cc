#include "addon/mailbox.h"

#include <memory>
#include <utility>

namespace reward_model_score {
namespace {

// `env` is null when the environment ended while the message was on its way.
void deliver(napi_env env, napi_value, void*, void* data) {
  std::unique_ptr<Mailbox::Message> message(static_cast<Mailbox::Message*>(data));
  if (env == nullptr) return;
  try {
    (*message)(env);
  } catch (const Napi::Error& error) {
    // A caller's own callback threw (onProgress): an uncaught exception, as with any event listener.
    napi_fatal_exception(env, error.Value());
  }
}

}  // namespace

Mailbox::Mailbox(Napi::Env env) : env_(env) {
  napi_value name = Napi::String::New(env, "reward-model-score");
  const napi_status status = napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr,
                                                             nullptr, nullptr, deliver, &function_);
  if (status != napi_ok) throw Napi::Error::New(env);
  napi_unref_threadsafe_function(env, function_);
}

void Mailbox::send(Message message) {
  auto data = std::make_unique<Message>(std::move(message));
  std::lock_guard lock(mutex_);
  if (!open_) return;
  if (napi_call_threadsafe_function(function_, data.get(), napi_tsfn_nonblocking) == napi_ok) data.release();
}

void Mailbox::add_pending() {
  if (pending_++ == 0) napi_ref_threadsafe_function(env_, function_);
}

void Mailbox::remove_pending() {
  if (--pending_ == 0) napi_unref_threadsafe_function(env_, function_);
}

void Mailbox::close() {
  std::lock_guard lock(mutex_);
  open_ = false;
  napi_release_threadsafe_function(function_, napi_tsfn_abort);
}

}  // namespace reward_model_score
