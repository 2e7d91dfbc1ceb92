#include "addon/dtype.h"

#include "base/error.h"

namespace reward_model_score {

at::ScalarType read_dtype(const std::string& name) {
  if (name == "float32") return at::kFloat;
  if (name == "bfloat16") return at::kBFloat16;
  if (name == "float16") return at::kHalf;
  throw Error("ERR_INVALID_OPTION", "dtype is \"" + name + "\"; use float32, bfloat16 or float16.",
              {{"option", std::string("torchDtype")}});
}

const char* dtype_name(at::ScalarType dtype) {
  if (dtype == at::kBFloat16) return "bfloat16";
  return dtype == at::kHalf ? "float16" : "float32";
}

}  // namespace reward_model_score
