#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace reward_model_score {

// Floating point operations per second of the device's own products of large matrices, in what a model of
// this dtype is computed in there: the ceiling of its linears. The best of several runs; takes about a
// second. On the engine thread of the device, with the threads that the model gets.
double product_rate(c10::Device device, at::ScalarType dtype);

}  // namespace reward_model_score
