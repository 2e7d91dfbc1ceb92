#pragma once
// Which instruction set the kernels use.

namespace reward_model_score::cpu {

enum class Level { kPortable, kAvx2, kAvx512, kAvx512Bf16 };

/**
 * The best one of this processor, or the one that the environment variable REWARD_MODEL_SCORE_CPU names:
 * "portable", "avx2", "avx512" or "avx512_bf16". Throws if the processor lacks that one or the name is
 * unknown.
 */
Level level();
const char* name(Level level);

}  // namespace reward_model_score::cpu
