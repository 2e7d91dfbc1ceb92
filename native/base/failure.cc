#include "base/failure.h"

#include <c10/util/Exception.h>

#include <new>
#include <regex>

#include "base/interrupt.h"

namespace reward_model_score {
namespace {

std::string headline(const std::string& text) { return text.substr(0, text.find('\n')); }

// libtorch's CPU allocator reports a failed allocation as a plain c10::Error.
bool is_host_allocation_failure(const std::string& text) {
  return text.find("not enough memory") != std::string::npos ||
         text.find("can't allocate memory") != std::string::npos;
}

// The interpreter turns an allocator's OutOfMemoryError into an exception of its own, with the text alone.
bool is_device_allocation_failure(const std::string& text) {
  return text.find("out of memory") != std::string::npos;
}

// The interpreter throws an exception of its own: two TorchScript stacks, and after them the cause,
// as "RuntimeError: …" or "builtins.ValueError: …" at the start of a line.
std::string cause_in_interpreter_error(const std::string& text) {
  if (text.find("failed in the TorchScript interpreter") == std::string::npos) return text;
  static const std::regex cause("\\n(?:builtins\\.)?\\w*(?:Error|Exception): ");
  std::string last = text;
  for (std::sregex_iterator match(text.begin(), text.end(), cause), end; match != end; ++match) {
    last = text.substr(match->position() + match->length());
  }
  return last;
}

Failure out_of_memory(const std::string& device, std::string reason) {
  while (!reason.empty() && (reason.back() == '.' || reason.back() == ' ')) reason.pop_back();
  return {"ERR_OUT_OF_MEMORY",
          "Out of memory on " + device + ": " + reason +
              ". Use a smaller token budget, a smaller torchDtype or a device map that spreads the model.",
          {{"device", device}}};
}

Failure backend(const std::string& message, const std::string& detail) {
  return {"ERR_BACKEND", "libtorch failed: " + message, {{"detail", detail}}};
}

Failure describe(const std::string& text, const std::string& detail, const std::string& device) {
  const std::string cause = cause_in_interpreter_error(text);
  if (is_host_allocation_failure(cause)) return out_of_memory("cpu", headline(cause));
  if (is_device_allocation_failure(cause)) return out_of_memory(device, headline(cause));
  return backend(headline(cause), detail);
}

// Not a std::exception.
struct ErrorOfOp {
  Error error;
};

}  // namespace

Failure describe_current_exception(const std::string& device) noexcept {
  try {
    throw;
  } catch (const Error& error) {
    return {error.code(), error.what(), error.details()};
  } catch (const ErrorOfOp& op) {
    return {op.error.code(), op.error.what(), op.error.details()};
  } catch (const c10::OutOfMemoryError& error) {
    return out_of_memory(device, headline(error.what_without_backtrace()));
  } catch (const c10::Error& error) {
    return describe(error.what_without_backtrace(), error.what(), device);
  } catch (const std::bad_alloc&) {
    return out_of_memory("cpu", "the allocator returned nothing");
  } catch (const std::exception& error) {
    return describe(error.what(), error.what(), device);
  } catch (...) {
    return backend("an exception of an unknown type", "");
  }
}

void past_interpreter(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    throw ErrorOfOp{error};
  }
}

void name_failures(const std::string& device, const std::function<void()>& work) {
  try {
    work();
  } catch (const Interrupted&) {
    throw;
  } catch (...) {
    const Failure failure = describe_current_exception(device);
    throw Error(failure.code, failure.message, failure.details);
  }
}

std::optional<Failure> fence(const std::string& device, const std::function<void()>& work) noexcept {
  try {
    work();
    return std::nullopt;
  } catch (...) {
    return describe_current_exception(device);
  }
}

}  // namespace reward_model_score
