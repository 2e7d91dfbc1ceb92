// Kernels for x86-64 processors with AVX-512.
#ifdef __x86_64__
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma,avx2"))), \
                             apply_to = function)
#else
// GCC's own headers leave the operand that a mask hides uninitialized.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,fma,avx2")
#endif
#include <immintrin.h>

#include "kernels.h"

namespace reward_model_score::cpu::avx512 {
#include "simd_avx512.h"
#include "table.h"
}  // namespace reward_model_score::cpu::avx512

#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
