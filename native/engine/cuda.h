#pragma once

#include <string>

namespace reward_model_score {

// Tells why libtorch's CUDA half, which is there, could not be opened.
void set_cuda_load_problem(const std::string& problem);

// What CUDA lacks to be used: this libtorch's CUDA half, a driver, a newer driver, a device. Empty if it can
// be used.
std::string cuda_problem();

}  // namespace reward_model_score
