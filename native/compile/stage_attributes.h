#pragma once

#include <functional>
#include <vector>

#include "compile/op_library.h"
#include "compile/program_spec.h"
#include "compile/stage_compiler.h"

namespace reward_model_score {

// What a linear's, a dense weight's or a table's attribute holds.
using LoadWeight = std::function<c10::IValue(const WeightSpec&)>;

// The attributes of a module that are no weights.
std::vector<StageAttribute> constants_of(const ModuleSource& module);

// The types of a stage's weights, without values, in the order of `stage.weights`. Throws ERR_MODEL_CONFIG.
std::vector<StageAttribute> declare_weights(const StageSpec& stage, const OpLibrary& library);

// The values of the weights, in the same order.
std::vector<c10::IValue> load_weights(const StageSpec& stage, const OpLibrary& library,
                                      const LoadWeight& load);

// Bytes of memory that the value of a weight holds.
int64_t bytes_of(const c10::IValue& value);

void for_each_weight(const StageSpec& stage, const std::function<void(const WeightSpec&)>& visit);

}  // namespace reward_model_score
