#include "run/weight_loader.h"

#include "base/interrupt.h"
#include "compile/stage_attributes.h"

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
  if (linear && library_->ops() == OpSet::kFused) return pack(spec);
  const Weight weight = transfer_ ? move(spec) : reader_.read(spec);
  if (linear) return library_->weight(weight.tensor, weight.bias, reader_.dtype_of(spec));
  return spec.kind == WeightSpec::Kind::kTable ? library_->table(weight.tensor) : weight.tensor;
}

c10::IValue WeightLoader::pack(const WeightSpec& spec) {
  const auto dtype = reader_.dtype_of(spec);
  c10::IValue packed;
  reader_.lend(spec, library_->weight_dtype(dtype),
               [&](const Weight& weight) { packed = library_->weight(weight.tensor, weight.bias, dtype); });
  return packed;
}

Weight WeightLoader::move(const WeightSpec& spec) {
  const auto dtype = reader_.dtype_of(spec);
  Weight moved;
  moved.tensor = transfer_->copy(spec.shape, dtype, [&](int64_t begin, const at::Tensor& rows) {
    check_interrupt();
    reader_.read_rows(spec, begin, rows);
  });
  if (const auto bias = reader_.read_bias(spec, dtype)) moved.bias = transfer_->copy(*bias);
  return moved;
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
