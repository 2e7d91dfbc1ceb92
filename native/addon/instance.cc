#include "addon/instance.h"

#include "engine/engine_thread.h"

namespace reward_model_score {

// The hook runs when the environment ends in order (normal end, worker.terminate()); a batch that is running
// then is interrupted, and its result has nowhere to go. It need not be waited for: nothing it touches
// belongs to the environment.
Instance::Instance(Napi::Env env) : mailbox_(std::make_shared<Mailbox>(env)) {
  env.AddCleanupHook(
      [](std::shared_ptr<Mailbox>* mailbox) {
        (*mailbox)->close();
        EngineThread::drop_environment_everywhere(mailbox->get(),
                                                  {"ERR_NOT_LOADED", "The environment ended.", {}});
        delete mailbox;
      },
      new std::shared_ptr<Mailbox>(mailbox_));
}

}  // namespace reward_model_score
