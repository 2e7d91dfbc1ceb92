#include "ops/device/packed_plan.h"

#include <algorithm>

namespace reward_model_score {
namespace {

class Call {
 public:
  bool empty() const { return call_.query_ends.size() == 1; }
  bool copies_keys() const { return copies_keys_; }
  int64_t keys() const { return call_.key_ends.back(); }

  void add(const std::vector<Segment>& segments, int32_t s, int32_t first_key) {
    const Segment& segment = segments[s];
    if (empty()) call_.first_token = segment.start;
    const int32_t keys = segment.position + segment.length - first_key;
    call_.query_ends.push_back(call_.query_ends.back() + segment.length);
    call_.key_ends.push_back(call_.key_ends.back() + keys);
    call_.most_queries = std::max<int64_t>(call_.most_queries, segment.length);
    call_.most_keys = std::max<int64_t>(call_.most_keys, keys);
    copies_keys_ = copies_keys_ || keys > segment.length;
    call_.keys.resize(call_.key_ends.back());
    auto key = call_.keys.end();
    for (int32_t position = segment.position + segment.length; --position >= first_key;) {
      while (position < segments[s].position) s = segments[s].parent;
      *--key = segments[s].start + (position - segments[s].position);
    }
  }

  PackedCall take() {
    if (!copies_keys_) call_.keys.clear();
    return std::move(call_);
  }

 private:
  PackedCall call_{
      .first_token = 0, .query_ends = {0}, .key_ends = {0}, .most_queries = 0, .most_keys = 0, .keys = {}};
  bool copies_keys_ = false;
};

}  // namespace

std::vector<PackedCall> plan_packed(const std::vector<Segment>& segments, int64_t window, int64_t most_keys) {
  std::vector<PackedCall> calls;
  Call call;
  for (int32_t s = 0; s < static_cast<int32_t>(segments.size()); ++s) {
    const Segment& segment = segments[s];
    const int64_t oldest = window > 0 ? std::max<int64_t>(0, segment.position - window + 1) : 0;
    const int64_t keys = segment.position + segment.length - oldest;
    const bool copies = call.copies_keys() || keys > segment.length;
    if (!call.empty() && copies && call.keys() + keys > most_keys) {
      calls.push_back(call.take());
      call = {};
    }
    call.add(segments, s, static_cast<int32_t>(oldest));
  }
  calls.push_back(call.take());
  return calls;
}

}  // namespace reward_model_score
