#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <typeindex>
#include <vector>

namespace reward_model_score {

/**
 * While one is there, on its thread, what ops work out from a tensor of the batch is kept: the layers of a
 * forward are all given the same ones. Kept with it are the tensors, so that the next forward's are never
 * taken for them.
 */
class ForwardPlans {
 public:
  ForwardPlans();
  ~ForwardPlans();
  ForwardPlans(const ForwardPlans&) = delete;
  ForwardPlans& operator=(const ForwardPlans&) = delete;

  /** The plan for this tensor, which is not written to meanwhile, and these parameters. */
  template <class Plan>
  static std::shared_ptr<const Plan> get(const at::Tensor& tensor, std::vector<int64_t> parameters,
                                         const std::function<Plan()>& make) {
    const auto erased = [&] { return std::make_shared<const Plan>(make()); };
    return std::static_pointer_cast<const Plan>(get({tensor, typeid(Plan), std::move(parameters)}, erased));
  }

 private:
  struct Key {
    at::Tensor tensor;
    std::type_index type;
    std::vector<int64_t> parameters;
  };
  struct Entry {
    Key key;
    std::shared_ptr<const void> plan;
  };

  static std::shared_ptr<const void> get(Key key, const std::function<std::shared_ptr<const void>()>& make);

  ForwardPlans* const before_;
  std::vector<Entry> entries_;
};

}  // namespace reward_model_score
