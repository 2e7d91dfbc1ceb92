#pragma once

#include <ATen/core/ivalue.h>

#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "weights/weight_reader.h"

namespace reward_model_score {

// These mirror ProgramSpec and StageSpec of lib/native/binding.ts.

using AttributeValue =
    std::variant<int64_t, double, bool, std::string, std::vector<int64_t>, std::vector<double>>;

// None, one weight, or a list of them.
using WeightEntry = std::variant<std::monostate, WeightSpec, std::vector<WeightSpec>>;

struct ModuleSource {
  std::string source;
  std::map<std::string, AttributeValue> attributes;
};

struct StageSpec {
  std::string name;
  ModuleSource module;
  std::map<std::string, WeightEntry> weights;
};

struct ProgramSpec {
  std::vector<StageSpec> stages;
  std::string reference;
  std::map<std::string, std::string> extra_files;
};

}  // namespace reward_model_score
