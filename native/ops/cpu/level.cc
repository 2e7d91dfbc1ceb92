#include "level.h"

#include <atomic>
#include <string>

#include "base/error.h"
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

[[noreturn]] void refuse(const std::string& wanted, const std::string& reason) {
  const std::string variable = "REWARD_MODEL_SCORE_CPU";
  throw Error("ERR_INVALID_OPTION", variable + " is \"" + wanted + "\"; " + reason, {{"option", variable}});
}

Level parse(const std::string& wanted) {
  for (const Level candidate : {Level::kPortable, Level::kAvx2, Level::kAvx512, Level::kAvx512Bf16}) {
    if (wanted == name(candidate)) return candidate;
  }
  refuse(wanted, "it must be portable, avx2, avx512 or avx512_bf16, or unset.");
}

constexpr int kNone = -1;
std::atomic<int> chosen{kNone};

// What is in use, which is `wanted` if nothing was.
Level settle(Level wanted) {
  int present = kNone;
  return chosen.compare_exchange_strong(present, static_cast<int>(wanted)) ? wanted
                                                                           : static_cast<Level>(present);
}

}  // namespace

Level level() {
  const int present = chosen.load(std::memory_order_relaxed);
  return present == kNone ? settle(best()) : static_cast<Level>(present);
}

void use_level(const std::string& wanted) {
  const Level level = parse(wanted);
  if (level > best()) refuse(wanted, std::string("this processor has no more than ") + name(best()) + ".");
  if (const Level present = settle(level); present != level) {
    refuse(wanted, std::string("this process already uses ") + name(present) + ".");
  }
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
