#include "testing/simulator/streams.h"

#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <array>
#include <deque>
#include <limits>
#include <map>
#include <mutex>
#include <utility>

#include "testing/simulator/devices.h"

namespace reward_model_score::simulator {
namespace {

constexpr uint64_t kAll = std::numeric_limits<uint64_t>::max();
constexpr c10::StreamId kStreamsInPool = 4;

struct Queue {
  std::deque<std::function<void()>> work;
  uint64_t submitted = 0;
  uint64_t done = 0;
};

class Streams {
 public:
  static Streams& instance() {
    static auto* made = new Streams();
    return *made;
  }

  uint64_t submit(const c10::Stream& stream, std::function<void()> work) {
    std::lock_guard lock(mutex_);
    Queue& queue = queues_[key(stream)];
    queue.work.push_back(std::move(work));
    return ++queue.submitted;
  }
  uint64_t submitted(const c10::Stream& stream) {
    std::lock_guard lock(mutex_);
    return queues_[key(stream)].submitted;
  }
  bool is_done(const c10::Stream& stream, uint64_t ticket) {
    std::lock_guard lock(mutex_);
    const Queue& queue = queues_[key(stream)];
    return queue.done >= std::min(ticket, queue.submitted);
  }
  void finish(const c10::Stream& stream, uint64_t ticket = kAll) {
    std::lock_guard lock(mutex_);
    finish(queues_[key(stream)], ticket);
  }
  void finish_device(c10::DeviceIndex index) {
    std::lock_guard lock(mutex_);
    for (auto& [key, queue] : queues_)
      if (key.first == index) finish(queue, kAll);
  }

 private:
  using Key = std::pair<c10::DeviceIndex, c10::StreamId>;
  static Key key(const c10::Stream& stream) { return {stream.device_index(), stream.id()}; }

  static void finish(Queue& queue, uint64_t ticket) {
    while (queue.done < ticket && !queue.work.empty()) {
      queue.work.front()();
      queue.work.pop_front();
      ++queue.done;
    }
  }

  std::mutex mutex_;
  std::map<Key, Queue> queues_;
};

struct Event {
  c10::Stream stream;
  uint64_t ticket;
};

thread_local c10::DeviceIndex current_device = 0;
thread_local std::array<c10::StreamId, kMostDevices> current_streams{};
thread_local c10::StreamId next_in_pool = 0;

c10::Device device_of(c10::DeviceIndex index) { return {kType, index}; }

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return kType; }
  c10::Device exchangeDevice(c10::Device device) const override {
    return device_of(std::exchange(current_device, device.index()));
  }
  c10::Device getDevice() const override { return device_of(current_device); }
  void setDevice(c10::Device device) const override { current_device = device.index(); }
  void uncheckedSetDevice(c10::Device device) const noexcept override { current_device = device.index(); }
  c10::DeviceIndex deviceCount() const noexcept override {
    return static_cast<c10::DeviceIndex>(device_count());
  }

  c10::Stream getStream(c10::Device device) const override { return current_stream(device.index()); }
  c10::Stream getDefaultStream(c10::Device device) const override {
    return c10::Stream(c10::Stream::DEFAULT, device);
  }
  c10::Stream getStreamFromGlobalPool(c10::Device device, bool /*high_priority*/) const override {
    next_in_pool = next_in_pool % kStreamsInPool + 1;
    return c10::Stream(c10::Stream::UNSAFE, device, next_in_pool);
  }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    const c10::StreamId before = std::exchange(current_streams[stream.device_index()], stream.id());
    return c10::Stream(c10::Stream::UNSAFE, stream.device(), before);
  }
  bool queryStream(const c10::Stream& stream) const override {
    return Streams::instance().is_done(stream, kAll);
  }
  void synchronizeStream(const c10::Stream& stream) const override { Streams::instance().finish(stream); }
  void synchronizeDevice(c10::DeviceIndex index) const override { Streams::instance().finish_device(index); }

  void record(void** event, const c10::Stream& stream, c10::DeviceIndex index,
              c10::EventFlag /*flag*/) const override {
    destroyEvent(*event, index);
    *event = new Event{stream, Streams::instance().submitted(stream)};
  }
  // The stream that waits does its own work at once, so waiting means doing the other's.
  void block(void* event, const c10::Stream& /*stream*/) const override { synchronizeEvent(event); }
  bool queryEvent(void* event) const override {
    const auto* recorded = static_cast<Event*>(event);
    return recorded == nullptr || Streams::instance().is_done(recorded->stream, recorded->ticket);
  }
  void synchronizeEvent(void* event) const override {
    const auto* recorded = static_cast<Event*>(event);
    if (recorded != nullptr) Streams::instance().finish(recorded->stream, recorded->ticket);
  }
  void destroyEvent(void* event, c10::DeviceIndex /*index*/) const noexcept override {
    delete static_cast<Event*>(event);
  }
};

}  // namespace

c10::Stream current_stream(int index) {
  return c10::Stream(c10::Stream::UNSAFE, device_of(static_cast<c10::DeviceIndex>(index)),
                     current_streams.at(index));
}

void submit(const c10::Stream& stream, std::function<void()> work) {
  Streams::instance().submit(stream, std::move(work));
}

void finish(const c10::Stream& stream) { Streams::instance().finish(stream); }

void register_streams() { c10::impl::registerDeviceGuard(kType, new Guard()); }

}  // namespace reward_model_score::simulator
