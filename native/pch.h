// Precompiled by CMake: libtorch's headers take most of a compile. Every file still includes what it uses.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/custom_class.h>
#include <torch/library.h>
