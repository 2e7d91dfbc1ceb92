#include "weights/stored_tensor.h"

#include "error.h"

namespace reward_model_score {

std::optional<at::ScalarType> scalar_type(const std::string& dtype) {
  if (dtype == "F32") return at::kFloat;
  if (dtype == "F16") return at::kHalf;
  if (dtype == "BF16") return at::kBFloat16;
  if (dtype == "F64") return at::kDouble;
  if (dtype == "I64") return at::kLong;
  if (dtype == "I32") return at::kInt;
  if (dtype == "I16") return at::kShort;
  if (dtype == "I8") return at::kChar;
  if (dtype == "U8") return at::kByte;
  if (dtype == "BOOL") return at::kBool;
  return std::nullopt;
}

void refuse_file(const std::string& path, const std::string& what, const std::string& tensor) {
  Error::Details details{{"path", path}};
  if (!tensor.empty()) details.emplace_back("tensor", tensor);
  throw Error("ERR_MODEL_CORRUPT", path + " is damaged or incomplete: " + what + ". Download it again.",
              details);
}

}  // namespace reward_model_score
