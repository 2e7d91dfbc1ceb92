#include "addon/request.h"

#include <memory>
#include <utility>

#include "addon/error_class.h"
#include "addon/instance.h"

namespace reward_model_score {

Napi::Promise send_request(Napi::Env env, Request request) {
  auto deferred = Napi::Promise::Deferred::New(env);
  std::shared_ptr<Mailbox> mailbox = Instance::of(env).mailbox();
  mailbox->add_pending();

  auto fail = [deferred, mailbox](const Failure& failure) {
    mailbox->send([deferred, mailbox, failure](Napi::Env env) {
      mailbox->remove_pending();
      deferred.Reject(make_error(env, failure));
    });
  };
  auto run = [deferred, mailbox, fail, device = request.thread.name(), work = std::move(request.work)] {
    MakeValue make_value;
    if (auto failure = fence(device, [&] { make_value = work(); })) return fail(*failure);
    mailbox->send([deferred, mailbox, make_value = std::move(make_value)](Napi::Env env) {
      mailbox->remove_pending();
      try {
        deferred.Resolve(make_value(env));
      } catch (const Napi::Error& error) {
        deferred.Reject(error.Value());
      }
    });
  };

  Task task{mailbox.get(), request.model, std::move(run), std::move(fail)};
  if (request.always) {
    request.thread.submit_always(std::move(task));
  } else {
    request.thread.submit(std::move(task));
  }
  return deferred.Promise();
}

Napi::Promise reject(Napi::Env env, const Failure& failure) {
  auto deferred = Napi::Promise::Deferred::New(env);
  deferred.Reject(make_error(env, failure));
  return deferred.Promise();
}

}  // namespace reward_model_score
