#include "level.h"

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "kernels.h"

namespace reward_model_score::cpu {
namespace {

Level best() {
#ifdef __x86_64__
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (avx512 && __builtin_cpu_supports("avx512bf16")) return Level::kAvx512Bf16;
  if (avx512) return Level::kAvx512;
  if (avx2) return Level::kAvx2;
#endif
  return Level::kPortable;
}

Level choose() {
  const Level have = best();
  const char* wanted = std::getenv("REWARD_MODEL_SCORE_CPU");
  if (!wanted || !*wanted) return have;
  for (const Level candidate : {Level::kPortable, Level::kAvx2, Level::kAvx512, Level::kAvx512Bf16}) {
    if (std::string(wanted) != name(candidate)) continue;
    if (candidate > have)
      throw std::runtime_error(std::string("REWARD_MODEL_SCORE_CPU is ") + wanted +
                               ", but this processor only has " + name(have));
    return candidate;
  }
  throw std::runtime_error(std::string("REWARD_MODEL_SCORE_CPU is \"") + wanted +
                           "\"; it must be portable, avx2, avx512 or avx512_bf16");
}

}  // namespace

const char* name(Level level) {
  switch (level) {
    case Level::kPortable:
      return "portable";
    case Level::kAvx2:
      return "avx2";
    case Level::kAvx512:
      return "avx512";
    case Level::kAvx512Bf16:
      return "avx512_bf16";
  }
  return "";
}

Level level() {
  static const Level chosen = choose();
  return chosen;
}

template <>
const Kernels<float>& kernels() {
#ifdef __x86_64__
  if (level() == Level::kAvx512Bf16) return avx512_bf16::kFloat32;
  if (level() == Level::kAvx512) return avx512::kFloat32;
  if (level() == Level::kAvx2) return avx2::kFloat32;
#endif
  return portable::kFloat32;
}

template <>
const Kernels<Bf16>& kernels() {
#ifdef __x86_64__
  if (level() == Level::kAvx512Bf16) return avx512_bf16::kBfloat16;
  if (level() == Level::kAvx512) return avx512::kBfloat16;
  if (level() == Level::kAvx2) return avx2::kBfloat16;
#endif
  return portable::kBfloat16;
}

}  // namespace reward_model_score::cpu
