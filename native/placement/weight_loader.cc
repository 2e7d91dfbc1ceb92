#include "placement/weight_loader.h"

#include "engine/interrupt.h"
#include "program/stage_attributes.h"

namespace reward_model_score {

WeightLoader::WeightLoader(std::shared_ptr<const Checkpoint> checkpoint, at::ScalarType dtype,
                           std::shared_ptr<const OpLibrary> library, c10::Device device)
    : checkpoint_(std::move(checkpoint)), reader_(*checkpoint_, dtype), library_(std::move(library)) {
  if (!device.is_cpu()) transfer_.emplace(device);
}

// Whether it succeeds or fails, no copy is under way afterwards.
StageWeights WeightLoader::transfer(const std::function<StageWeights()>& begin) {
  StageWeights weights;
  try {
    weights = begin();
  } catch (...) {
    if (transfer_) transfer_->wait();
    throw;
  }
  if (transfer_) transfer_->wait();
  return weights;
}

StageWeights WeightLoader::load(const StageSpec& stage, const Loaded& loaded) {
  return transfer([&] {
    return load_weights(stage, *library_, [&](const WeightSpec& spec) {
      check_interrupt();
      auto value = load(spec);
      loaded(reader_.check(spec));
      return value;
    });
  });
}

c10::IValue WeightLoader::load(const WeightSpec& spec) {
  const bool linear = spec.kind == WeightSpec::Kind::kLinear;
  const bool packed = linear && library_->ops() == OpSet::kFused;
  const auto as_value = [&](const at::Tensor& tensor, const std::optional<at::Tensor>& bias) {
    return linear ? library_->weight(tensor, bias) : c10::IValue(tensor);
  };
  if (!packed && !transfer_) {
    const auto weight = reader_.read(spec);
    return as_value(weight.tensor, weight.bias);
  }
  // Packing and moving both copy, so the file's own memory will do.
  c10::IValue value;
  reader_.lend(spec, [&](const Weight& weight) {
    if (packed) {
      value = library_->weight(weight.tensor, weight.bias);
    } else {
      value = as_value(transfer_->copy(weight.tensor),
                       weight.bias ? std::optional(transfer_->copy(*weight.bias)) : std::nullopt);
    }
  });
  return value;
}

StageWeights WeightLoader::copy(const StageWeights& host) {
  return transfer([&] {
    StageWeights weights;
    for (const auto& value : host) weights.push_back(copy(value));
    return weights;
  });
}

c10::IValue WeightLoader::copy(const c10::IValue& host) {
  check_interrupt();
  if (host.isTensor()) return transfer_->copy(host.toTensor());
  if (host.isTuple()) {
    std::vector<c10::IValue> elements;
    for (const auto& element : host.toTupleRef().elements()) elements.push_back(copy(element));
    return c10::ivalue::Tuple::create(std::move(elements));
  }
  if (host.isList()) {
    c10::impl::GenericList list(host.toList().elementType());
    for (const auto& item : host.toListRef()) list.push_back(copy(item));
    return list;
  }
  return host;
}

}  // namespace reward_model_score
