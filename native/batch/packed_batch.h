#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace reward_model_score {

// The tokens of some rows, one segment after the other; see PackedBatch in lib/native/binding.ts.
struct PackedBatch {
  // What is known of each token, by name: [tokens] each. A checked batch has "ids".
  std::map<std::string, std::vector<int32_t>> fields;
  std::vector<int32_t> lengths;      // [segments]
  std::vector<int32_t> parents;      // [segments], -1 = none
  std::vector<int32_t> row_lengths;  // [segments]
  std::vector<int32_t> pooled;       // [pooled], empty for archives
  std::vector<int32_t> gates;        // [pooled] or empty

  const std::vector<int32_t>& ids() const { return fields.at("ids"); }
  int64_t tokens() const { return static_cast<int64_t>(ids().size()); }
  int64_t segments() const { return static_cast<int64_t>(lengths.size()); }

  // What the arrays must satisfy for every later index to be in bounds; throws Error.
  void check() const;
};

struct ExtraOutput {
  std::string name;
  std::vector<float> values;  // [rows, width]
  int64_t width = 0;
};

struct BatchScores {
  std::vector<float> scores;  // [rows, labels]
  int64_t labels = 0;
  std::vector<ExtraOutput> extra;
};

}  // namespace reward_model_score
