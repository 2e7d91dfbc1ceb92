#pragma once

#include <napi.h>

#include <functional>

#include "engine/engine_thread.h"

namespace reward_model_score {

// Makes the value that a promise resolves to, on the JavaScript thread.
using MakeValue = std::function<Napi::Value(Napi::Env)>;

struct Request {
  EngineThread& thread;
  const void* model = nullptr;      // its dispose() drops the request
  bool always = false;              // must not be refused because the queue is full
  std::function<MakeValue()> work;  // on the engine thread; what it throws rejects the promise
};

// Queues work for an engine thread.
Napi::Promise send_request(Napi::Env env, Request request);

// A promise that is rejected already.
Napi::Promise reject(Napi::Env env, const Failure& failure);

}  // namespace reward_model_score
