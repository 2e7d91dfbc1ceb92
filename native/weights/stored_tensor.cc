#include "weights/stored_tensor.h"

#include "base/error.h"

namespace reward_model_score {

std::optional<at::ScalarType> scalar_type(const std::string& dtype) {
  if (dtype == "F32") return at::kFloat;
  if (dtype == "F16") return at::kHalf;
  if (dtype == "BF16") return at::kBFloat16;
  if (dtype == "F64") return at::kDouble;
  if (dtype == "F8_E4M3") return at::kFloat8_e4m3fn;
  if (dtype == "F8_E5M2") return at::kFloat8_e5m2;
  if (dtype == "F8_E8M0") return at::kFloat8_e8m0fnu;
  if (dtype == "I64") return at::kLong;
  if (dtype == "I32") return at::kInt;
  if (dtype == "I16") return at::kShort;
  if (dtype == "I8") return at::kChar;
  if (dtype == "U8") return at::kByte;
  if (dtype == "BOOL") return at::kBool;
  return std::nullopt;
}

uint64_t extent_of(const at::Tensor& layout) {
  if (layout.numel() == 0) return 0;
  uint64_t last = 0;
  for (int64_t i = 0; i < layout.dim(); ++i) {
    last += static_cast<uint64_t>(layout.size(i) - 1) * static_cast<uint64_t>(layout.stride(i));
  }
  return last + 1;
}

void refuse_file(const std::string& path, const std::string& what, const std::string& tensor) {
  Error::Details details{{"path", path}};
  if (!tensor.empty()) details.emplace_back("tensor", tensor);
  throw Error("ERR_MODEL_CORRUPT", path + " is damaged or incomplete: " + what + ". Download it again.",
              details);
}

}  // namespace reward_model_score
