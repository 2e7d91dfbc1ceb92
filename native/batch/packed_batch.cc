#include "batch/packed_batch.h"

#include "base/error.h"

namespace reward_model_score {
namespace {

void require(bool condition, const std::string& what) {
  if (!condition)
    throw Error("ERR_INVALID_OPTION", "The batch is malformed: " + what + ".", {{"option", "batch"}});
}

}  // namespace

void PackedBatch::check() const {
  require(fields.contains("ids"), "its tokens have no ids");
  for (const auto& [name, values] : fields) {
    require(values.size() == ids().size(), name + " has " + std::to_string(values.size()) + " entries for " +
                                               std::to_string(tokens()) + " ids");
  }
  require(!lengths.empty(), "it has no segments");
  require(parents.size() == lengths.size(), "parents and lengths differ in size");
  require(row_lengths.size() == lengths.size(), "rowLengths and lengths differ in size");
  int64_t sum = 0;
  for (size_t segment = 0; segment < lengths.size(); ++segment) {
    const std::string name = "segment " + std::to_string(segment);
    require(lengths[segment] >= 1, name + " has length " + std::to_string(lengths[segment]));
    require(parents[segment] >= -1 && parents[segment] < static_cast<int64_t>(segment),
            name + " has parent " + std::to_string(parents[segment]));
    sum += lengths[segment];
  }
  require(sum == tokens(),
          "lengths sum to " + std::to_string(sum) + " for " + std::to_string(tokens()) + " ids");
  for (const int32_t id : ids()) require(id >= 0, "it has the negative id " + std::to_string(id));
  for (const auto* indices : {&pooled, &gates}) {
    for (const int32_t index : *indices) {
      require(index >= 0 && index < tokens(),
              "index " + std::to_string(index) + " points outside the tokens");
    }
  }
  require(gates.empty() || gates.size() == pooled.size(), "gates and pooled differ in size");
}

}  // namespace reward_model_score
