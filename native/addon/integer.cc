#include "addon/integer.h"

#include <cmath>

#include "base/error.h"
#include "engine/threads.h"

namespace reward_model_score {

int64_t read_integer(const Napi::Object& options, const std::string& name, int64_t least, int64_t most) {
  const Napi::Value value = options.Get(name);
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  if (number >= static_cast<double>(least) && number <= static_cast<double>(most) &&
      std::floor(number) == number) {
    return static_cast<int64_t>(number);
  }
  const std::string given = value.ToString();
  throw Error("ERR_INVALID_OPTION",
              name + " is " + given + "; it has to be a whole number from " + std::to_string(least) + " to " +
                  std::to_string(most) + ".",
              {{"option", name}});
}

int read_threads(const Napi::Object& options) {
  return static_cast<int>(read_integer(options, "threads", 0, kMostThreads));
}

}  // namespace reward_model_score
