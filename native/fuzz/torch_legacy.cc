#include "fuzz/reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  reward_model_score::fuzz_reader(reward_model_score::read_torch_legacy, data, size);
  return 0;
}
