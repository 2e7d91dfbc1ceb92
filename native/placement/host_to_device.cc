#include "placement/host_to_device.h"

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
  const auto on_device = host.options().device(device_);
  if (!stream_) return at::empty(host.sizes(), on_device).copy_(host);
  const c10::StreamGuard guard(*stream_);
  at::Tensor result = at::empty(host.sizes(), on_device);
  const int64_t rows = host.dim() == 0 || host.numel() == 0
                           ? 0
                           : kBufferBytes / static_cast<int64_t>(host.nbytes() / host.size(0));
  if (rows == 0) return result.copy_(host);
  copy_in_parts(host, result, rows);
  return result;
}

void HostToDevice::copy_in_parts(const at::Tensor& host, const at::Tensor& result, int64_t rows) {
  for (int64_t begin = 0; begin < host.size(0); begin += rows) {
    const at::Tensor part = host.narrow(0, begin, std::min(rows, host.size(0) - begin));
    Buffer& buffer = buffers_[next_];
    next_ = (next_ + 1) % buffers_.size();
    buffer.read.synchronize();
    if (!buffer.memory.defined()) {
      buffer.memory = at::empty({kBufferBytes}, at::TensorOptions(at::kByte).pinned_memory(true));
    }
    const at::Tensor staged = buffer.memory.narrow(0, 0, static_cast<int64_t>(part.nbytes()))
                                  .view(part.scalar_type())
                                  .view(part.sizes());
    staged.copy_(part);
    result.narrow(0, begin, part.size(0)).copy_(staged, /*non_blocking=*/true);
    buffer.read.record(*stream_);
  }
}

void HostToDevice::wait() {
  if (stream_) stream_->synchronize();
}

}  // namespace reward_model_score
