#pragma once
#include <cstdint>

namespace reward_model_score {

/**
 * While one of these lives on a thread, large CPU tensors that the thread makes take memory that earlier ones
 * gave back.
 *
 * Activations of tens of megabytes come and go in every layer. The C library returns such blocks to the
 * operating system at once, and touching fresh pages costs as much as a tenth of the matrix products that
 * fill them.
 */
class ActivationMemory {
 public:
  ActivationMemory();
  ~ActivationMemory();
  ActivationMemory(const ActivationMemory&) = delete;
  ActivationMemory& operator=(const ActivationMemory&) = delete;

  /** Gives what is unused back to the operating system. */
  static void release();
  /** Bytes that are kept although no tensor uses them. */
  static int64_t unused_bytes();
};

}  // namespace reward_model_score
