#pragma once

#include <c10/util/Exception.h>

namespace reward_model_score {

// While one is there, libtorch's warnings of this thread are dropped instead of printed. Where CUDA has no
// device, it warns and says why; cuda_problem() tells that to those who ask.
class NoWarnings {
 private:
  class Drop : public c10::WarningHandler {
    void process(const c10::Warning& /*warning*/) override {}
  };
  Drop drop_;
  const c10::WarningUtils::WarningHandlerGuard guard_{&drop_};
};

}  // namespace reward_model_score
