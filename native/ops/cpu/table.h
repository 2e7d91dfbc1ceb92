// The kernels' tables for one instruction set: included last, after its vectors.
// Each builds on those before it.
// clang-format off
#include "math.h"
#include "norm.h"
#include "rotary.h"
#include "activate.h"
#include "product.h"
#include "pack.h"
#include "softmax.h"
#include "attend.h"
// clang-format on

const Kernels<float> kFloat32 = {rms_norm<float>, layer_norm<float>,    rotary<float>,
                                 activate<float>, block_bytes<float>,   pack<float>,
                                 products<float>, scratch_bytes<float>, attend<float>};
const Kernels<Bf16> kBfloat16 = {rms_norm<Bf16>, layer_norm<Bf16>,    rotary<Bf16>,
                                 activate<Bf16>, block_bytes<Bf16>,   pack<Bf16>,
                                 products<Bf16>, scratch_bytes<Bf16>, attend<Bf16>};
