#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/error.h"

namespace reward_model_score {

// What crosses from C++ to JavaScript instead of an exception.
struct Failure {
  std::string code;
  std::string message;
  Error::Details details;
};

// Describes the exception being handled; call it only inside a catch block. `device` is named when its memory
// ran out.
Failure describe_current_exception(const std::string& device) noexcept;

// For ops that throw an Error: the TorchScript interpreter, which makes a text of every std::exception, does
// not catch what this makes of it, and describe_current_exception knows it.
void past_interpreter(const std::function<void()>& work);

// Runs `work`; whatever it throws comes back as a value.
std::optional<Failure> fence(const std::string& device, const std::function<void()>& work) noexcept;

// Runs `work`; what it throws comes out as an Error, for which `device` counts as in
// describe_current_exception. Interrupted passes.
void name_failures(const std::string& device, const std::function<void()>& work);

}  // namespace reward_model_score
