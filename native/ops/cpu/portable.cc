// Kernels for any processor.
#include "kernels.h"

namespace reward_model_score::cpu::portable {
#include "simd_portable.h"
#include "table.h"
}  // namespace reward_model_score::cpu::portable
