#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <array>
#include <functional>
#include <optional>

namespace reward_model_score {

// Copies from the host to a device. Where the device has pinned memory, the copies go through two pinned
// buffers, one of which is filled while the device reads the other, and run on a stream of their own, beside
// what the device computes.
class HostToDevice {
 public:
  explicit HostToDevice(c10::Device device);
  // Waits for the copies that are under way.
  ~HostToDevice();
  HostToDevice(const HostToDevice&) = delete;
  HostToDevice& operator=(const HostToDevice&) = delete;

  // Puts the rows of a tensor from `begin` on where they are copied from.
  using Fill = std::function<void(int64_t begin, const at::Tensor& rows)>;

  // A tensor on the device, which is filled a number of rows at a time. It must not be used before wait().
  at::Tensor copy(at::IntArrayRef shape, at::ScalarType dtype, const Fill& fill);
  // The same from one on the host, whose memory is free to change as soon as this returns.
  at::Tensor copy(const at::Tensor& host);
  // Until all copies are done.
  void wait();

 private:
  struct Buffer {
    explicit Buffer(c10::DeviceType kind) : read(kind) {}
    at::Tensor memory;
    c10::Event read;  // the device has read what was in it
  };

  at::Tensor stage(Buffer& buffer, at::IntArrayRef shape, at::ScalarType dtype) const;

  const c10::Device device_;
  std::optional<c10::Stream> stream_;
  std::array<Buffer, 2> buffers_;
  size_t next_ = 0;
};

}  // namespace reward_model_score
