#pragma once

#include <c10/core/Allocator.h>

namespace reward_model_score::simulator {

// Allocates on the current device of the calling thread.
c10::Allocator* device_allocator();

bool is_pinned(const void* data);

// Makes memory of devices and pinned memory known to libtorch.
void register_memory();

}  // namespace reward_model_score::simulator
