#include "run/host_to_device.h"

#include <ATen/ATen.h>
#include <ATen/core/CachingHostAllocator.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <algorithm>

namespace reward_model_score {
namespace {

// Large enough to reach the bus's speed. Pinned memory is taken from everybody else, so two of these suffice.
constexpr int64_t kBufferBytes = 16 << 20;

bool has_pinned_memory(c10::Device device) { return at::getHostAllocator(device.type()) != nullptr; }

}  // namespace

HostToDevice::HostToDevice(c10::Device device)
    : device_(device), buffers_{Buffer(device.type()), Buffer(device.type())} {
  if (!has_pinned_memory(device)) return;
  stream_ = c10::impl::getDeviceGuardImpl(device.type())->getStreamFromGlobalPool(device);
}

HostToDevice::~HostToDevice() {
  try {
    wait();
  } catch (const std::exception&) {
    // The device has failed; whoever uses it next is told so.
  }
}

at::Tensor HostToDevice::copy(const at::Tensor& host) {
  if (!stream_ || host.dim() == 0) return at::empty_like(host, host.options().device(device_)).copy_(host);
  return copy(host.sizes(), host.scalar_type(), [&](int64_t begin, const at::Tensor& rows) {
    rows.copy_(host.narrow(0, begin, rows.size(0)));
  });
}

at::Tensor HostToDevice::copy(at::IntArrayRef shape, at::ScalarType dtype, const Fill& fill) {
  const c10::OptionalStreamGuard guard(stream_);
  at::Tensor result = at::empty(shape, at::TensorOptions(device_).dtype(dtype));
  if (result.numel() == 0) return result;
  const int64_t rows = std::max<int64_t>(1, kBufferBytes / static_cast<int64_t>(result[0].nbytes()));
  for (int64_t begin = 0; begin < shape[0]; begin += rows) {
    const at::Tensor part = result.narrow(0, begin, std::min(rows, shape[0] - begin));
    Buffer& buffer = buffers_[next_];
    next_ = (next_ + 1) % buffers_.size();
    if (stream_) buffer.read.synchronize();
    const at::Tensor staged = stage(buffer, part.sizes(), dtype);
    fill(begin, staged);
    part.copy_(staged, /*non_blocking=*/stream_.has_value());
    if (stream_) buffer.read.record(*stream_);
  }
  return result;
}

at::Tensor HostToDevice::stage(Buffer& buffer, at::IntArrayRef shape, at::ScalarType dtype) const {
  const auto bytes = c10::multiply_integers(shape) * static_cast<int64_t>(c10::elementSize(dtype));
  if (!buffer.memory.defined() || buffer.memory.numel() < bytes) {
    const auto options = at::TensorOptions(at::kByte).pinned_memory(stream_.has_value());
    buffer.memory = at::empty({std::max(bytes, kBufferBytes)}, options);
  }
  return buffer.memory.narrow(0, 0, bytes).view(dtype).view(shape);
}

void HostToDevice::wait() {
  if (stream_) stream_->synchronize();
}

}  // namespace reward_model_score
