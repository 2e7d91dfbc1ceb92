#include "engine/activation_memory.h"

#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>

#include <cstring>
#include <list>
#include <mutex>
#include <unordered_map>

namespace reward_model_score {
namespace {

thread_local int guards = 0;

/** Smaller blocks are left to the C library, which keeps them itself. */
constexpr size_t kSmallest = size_t{1} << 20;
constexpr size_t kMostUnused = size_t{256} << 20;
/** A block serves requests down to this part of its size. */
constexpr size_t kLargestPart = 2;

class Allocator : public c10::Allocator {
 public:
  // Never deleted: tensors may outlive every static object.
  static Allocator& instance() {
    static auto* allocator = [] {
      auto* made = new Allocator();
      c10::SetCPUAllocator(made, /*priority=*/1);
      return made;
    }();
    return *allocator;
  }

  c10::DataPtr allocate(size_t bytes) override {
    void* data = guards > 0 && bytes >= kSmallest ? take(bytes) : c10::alloc_cpu(bytes);
    return {data, data, &give_back, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }

  void release() {
    const std::lock_guard lock(mutex_);
    shrink(0);
  }
  size_t unused_bytes() {
    const std::lock_guard lock(mutex_);
    return unused_bytes_;
  }

 private:
  struct Block {
    void* data;
    size_t bytes;
  };

  void* take(size_t bytes) {
    const std::lock_guard lock(mutex_);
    auto best = unused_.end();
    for (auto block = unused_.begin(); block != unused_.end(); ++block)
      if (block->bytes >= bytes && block->bytes <= kLargestPart * bytes &&
          (best == unused_.end() || block->bytes < best->bytes))
        best = block;
    Block taken{nullptr, bytes};
    if (best != unused_.end()) {
      taken = *best;
      unused_.erase(best);
      unused_bytes_ -= taken.bytes;
    } else {
      taken.data = allocate_block(bytes);
    }
    used_.emplace(taken.data, taken.bytes);
    return taken.data;
  }

  void* allocate_block(size_t bytes) {
    try {
      return c10::alloc_cpu(bytes);
    } catch (const c10::Error&) {
      if (unused_.empty()) throw;
      shrink(0);
      return c10::alloc_cpu(bytes);
    }
  }

  static void give_back(void* data) {
    if (!instance().keep(data)) c10::free_cpu(data);
  }

  bool keep(void* data) {
    const std::lock_guard lock(mutex_);
    const auto used = used_.find(data);
    if (used == used_.end()) return false;
    const Block block{data, used->second};
    used_.erase(used);
    if (block.bytes > kMostUnused) return false;
    shrink(kMostUnused - block.bytes);
    unused_.push_back(block);
    unused_bytes_ += block.bytes;
    return true;
  }

  /** Frees the blocks that have been unused longest until at most `bytes` are left. */
  void shrink(size_t bytes) {
    while (unused_bytes_ > bytes) {
      unused_bytes_ -= unused_.front().bytes;
      c10::free_cpu(unused_.front().data);
      unused_.pop_front();
    }
  }

  std::mutex mutex_;
  std::list<Block> unused_;
  std::unordered_map<void*, size_t> used_;
  size_t unused_bytes_ = 0;
};

}  // namespace

ActivationMemory::ActivationMemory() {
  Allocator::instance();
  ++guards;
}

ActivationMemory::~ActivationMemory() { --guards; }

void ActivationMemory::release() { Allocator::instance().release(); }

int64_t ActivationMemory::unused_bytes() {
  return static_cast<int64_t>(Allocator::instance().unused_bytes());
}

}  // namespace reward_model_score
