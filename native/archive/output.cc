#include "archive/output.h"

#include <sstream>

#include "base/error.h"

namespace reward_model_score {
namespace {

Error wrong_output(const std::string& path, const std::string& found) {
  return {"ERR_MODEL_SIGNATURE",
          "The archive " + path + " returned " + found +
              ". Its forward must return scores as a float tensor [batch], [batch, 1] or [batch, labels], a "
              "tuple that "
              "starts with it, or a dict with \"logits\" or \"score\".",
          {{"path", path}}};
}

at::Tensor find_tensor(const at::IValue& output, const std::string& path) {
  if (output.isTensor()) return output.toTensor();
  if (output.isTuple() && !output.toTupleRef().elements().empty()) {
    return find_tensor(output.toTupleRef().elements()[0], path);
  }
  if (output.isGenericDict()) {
    const auto dict = output.toGenericDict();
    for (const char* key : {"logits", "score"}) {
      const auto found = dict.find(key);
      if (found != dict.end()) return find_tensor(found->value(), path);
    }
    throw wrong_output(path, "a dict without \"logits\" or \"score\"");
  }
  throw wrong_output(path, "a value of type " + output.tagKind());
}

}  // namespace

at::Tensor scores_of_output(const at::IValue& output, int64_t rows, const std::string& path) {
  const at::Tensor scores = find_tensor(output, path);
  const bool fits = scores.defined() && scores.is_floating_point() &&
                    (scores.dim() == 1 || scores.dim() == 2) && scores.size(0) == rows && scores.numel() > 0;
  if (!fits) {
    std::ostringstream found;
    found << "a tensor of " << scores.dtype() << " with shape " << scores.sizes() << " for " << rows
          << " rows";
    throw wrong_output(path, found.str());
  }
  return scores.reshape({rows, -1}).to(at::kCPU, at::kFloat).contiguous();
}

}  // namespace reward_model_score
