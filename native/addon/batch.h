#pragma once

#include <napi.h>

#include "batch/packed_batch.h"

namespace reward_model_score {

// Copies a PackedBatch out of JavaScript and checks it; throws Error.
PackedBatch read_batch(const Napi::Value& value);

Napi::Value write_scores(Napi::Env env, const BatchScores& scores);

}  // namespace reward_model_score
