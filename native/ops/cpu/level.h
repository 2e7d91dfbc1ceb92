#pragma once
// Which instruction set the kernels use.
#include <string>

namespace reward_model_score::cpu {

enum class Level { kPortable, kAvx2, kAvx512, kAvx512Bf16 };

/** The best one of this processor, or the one that was named. The same for as long as the process lives. */
Level level();
/**
 * Names the one to use: what REWARD_MODEL_SCORE_CPU holds. Throws ERR_INVALID_OPTION for an unknown name, for
 * one that the processor lacks, and once another one is in use.
 */
void use_level(const std::string& name);

}  // namespace reward_model_score::cpu
