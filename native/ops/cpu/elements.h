#pragma once
// Element types as the kernels see them. Nothing of ATen or of the standard library's inline code may come
// into the files that are compiled for one instruction set: the linker could keep that copy for everyone.
#include <cstddef>
#include <cstdint>

namespace reward_model_score::cpu {

/** Same layout as c10::BFloat16. */
struct Bf16 {
  uint16_t bits;
};

enum class Activation { kSilu, kGelu, kGeluTanh, kRelu, kRelu2, kQuickGelu, kTanh };

/** Width of a block of keys. Blocks start at multiples of it in absolute positions. */
constexpr int64_t kBlock = 64;

/** The most query rows (tokens × heads) that one call of `attend` takes. */
constexpr int64_t kMaxRows = 128;

}  // namespace reward_model_score::cpu
