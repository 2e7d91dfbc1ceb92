#pragma once

namespace reward_model_score {

// Keeps the addon mapped until the process ends. A worker that loaded it alone would otherwise unmap it when
// it ends, while the engine's threads still run. On Linux the linker's flag -z nodelete does it.
void stay_loaded();

}  // namespace reward_model_score
