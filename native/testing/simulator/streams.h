#pragma once

#include <c10/core/Stream.h>

#include <functional>

namespace reward_model_score::simulator {

// The stream that this thread gives work of the device to.
c10::Stream current_stream(int index);

// `work` is done when somebody waits for its stream, and no sooner.
void submit(const c10::Stream& stream, std::function<void()> work);
// Does what was submitted to the stream.
void finish(const c10::Stream& stream);

// Makes devices, streams and events known to libtorch.
void register_streams();

}  // namespace reward_model_score::simulator
