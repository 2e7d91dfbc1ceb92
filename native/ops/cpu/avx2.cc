// Kernels for x86-64 processors with AVX2 and FMA.
#ifdef __x86_64__
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#include <immintrin.h>

#include "kernels.h"

namespace reward_model_score::cpu::avx2 {
#include "simd_avx2.h"
#include "table.h"
}  // namespace reward_model_score::cpu::avx2

#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
