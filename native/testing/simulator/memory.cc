#include "testing/simulator/memory.h"

#include <ATen/core/CachingHostAllocator.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/core/impl/alloc_cpu.h>

#include <cstring>
#include <mutex>
#include <unordered_set>

#include "testing/simulator/devices.h"

namespace reward_model_score::simulator {
namespace {

struct Block {
  void* data;
  int64_t bytes;
  int index;
};

void free_block(void* context) {
  const auto* block = static_cast<Block*>(context);
  c10::free_cpu(block->data);
  give_memory_back(block->index, block->bytes);
  delete block;
}

class DeviceMemory : public c10::DeviceAllocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    const c10::Device device = c10::impl::getDeviceGuardImpl(kType)->getDevice();
    take_memory(device.index(), static_cast<int64_t>(bytes));
    auto* block = new Block{c10::alloc_cpu(bytes), static_cast<int64_t>(bytes), device.index()};
    return {block->data, block, &free_block, device};
  }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }
  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t /*pool*/) override {
    for (int index = 0; index < device_count(); ++index) empty_cache(index);
  }
  void recordStream(const c10::DataPtr& /*data*/, c10::Stream /*stream*/) override {}
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex /*index*/) override { return {}; }
  void resetAccumulatedStats(c10::DeviceIndex /*index*/) override {}
  void resetPeakStats(c10::DeviceIndex /*index*/) override {}
  std::pair<size_t, size_t> getMemoryInfo(c10::DeviceIndex index) override {
    const State state = read(index);
    return {state.size - state.reserved, state.size};
  }
};

class PinnedMemory : public at::HostAllocator {
 public:
  static PinnedMemory& instance() {
    static auto* made = new PinnedMemory();
    return *made;
  }

  c10::DataPtr allocate(size_t bytes) override {
    void* data = c10::alloc_cpu(bytes);
    std::lock_guard lock(mutex_);
    blocks_.insert(data);
    return {data, data, &free_pinned, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &free_pinned; }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }
  bool record_event(void* /*data*/, void* /*context*/, c10::Stream /*stream*/) override { return true; }
  void empty_cache() override {}
  at::HostStats get_stats() override { return {}; }
  void reset_accumulated_stats() override {}
  void reset_peak_stats() override {}

  bool holds(const void* data) {
    std::lock_guard lock(mutex_);
    return blocks_.contains(const_cast<void*>(data));
  }

 private:
  static void free_pinned(void* data) {
    {
      std::lock_guard lock(instance().mutex_);
      instance().blocks_.erase(data);
    }
    c10::free_cpu(data);
  }

  std::mutex mutex_;
  std::unordered_set<void*> blocks_;
};

struct Hooks : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return device_count() > 0; }
  bool hasPrimaryContext(c10::DeviceIndex /*index*/) const override { return true; }
  bool isPinnedPtr(const void* data) const override { return is_pinned(data); }
  c10::Allocator* getPinnedMemoryAllocator() const override { return &PinnedMemory::instance(); }
};

}  // namespace

c10::Allocator* device_allocator() {
  static auto* made = new DeviceMemory();
  return made;
}

bool is_pinned(const void* data) { return PinnedMemory::instance().holds(data); }

void register_memory() {
  c10::SetAllocator(kType, device_allocator());
  at::setHostAllocator(kType, &PinnedMemory::instance());
  at::RegisterPrivateUse1HooksInterface(new Hooks());
}

}  // namespace reward_model_score::simulator
