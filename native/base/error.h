#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace reward_model_score {

// What reaches JavaScript as a RewardModelScoreError: a code of lib/errors.ts and the fields that go with it.
class Error : public std::runtime_error {
 public:
  using Details = std::vector<std::pair<std::string, std::variant<std::string, int64_t>>>;

  Error(std::string code, const std::string& message, Details details = {})
      : std::runtime_error(message), code_(std::move(code)), details_(std::move(details)) {}

  const std::string& code() const { return code_; }
  const Details& details() const { return details_; }

 private:
  std::string code_;
  Details details_;
};

}  // namespace reward_model_score
