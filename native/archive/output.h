#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <string>

namespace reward_model_score {

// The scores in what an archive's forward returned: a tensor, a tuple that starts with it, or a dict with
// "logits" or "score". [rows, labels], float32, on the CPU. Throws ERR_MODEL_SIGNATURE when there are none
// for `rows` rows.
at::Tensor scores_of_output(const at::IValue& output, int64_t rows, const std::string& path);

}  // namespace reward_model_score
