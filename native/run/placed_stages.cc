#include "run/placed_stages.h"

#include <map>
#include <utility>

#include "base/failure.h"
#include "compile/stage_attributes.h"
#include "run/table_in_file.h"

namespace reward_model_score {
namespace {

OpSet ops_for(c10::Device device) { return device.is_cpu() ? OpSet::kFused : OpSet::kDevice; }

// An op set's library, and the stages compiled against it.
struct Ops {
  Ops(OpSet ops, const std::string& reference)
      : library(std::make_shared<OpLibrary>(ops, reference)), compiler(*library) {}
  std::shared_ptr<const OpLibrary> library;
  StageCompiler compiler;
};

class Placer {
 public:
  Placer(const ProgramSpec& spec, const std::shared_ptr<const Checkpoint>& checkpoint, at::ScalarType dtype,
         const StageDevices& devices, const Progress& progress)
      : spec_(spec),
        checkpoint_(checkpoint),
        reader_(*checkpoint, dtype),
        dtype_(dtype),
        devices_(devices),
        progress_(progress) {}

  PlacedStages run() {
    PlacedStages placed;
    for (const StageSpec& stage : spec_.stages) {
      const bool on_disk = devices_.place(stage).weights == Place::Weights::kOnDisk;
      for_each_weight(stage, [&](const WeightSpec& weight) {
        const int64_t bytes = reader_.check(weight);
        if (!on_disk) total_ += bytes;
      });
    }
    for (const StageSpec& stage : spec_.stages) placed.stages.push_back(place(stage, devices_.place(stage)));
    placed.bytes = bytes_;
    progress_(1);
    return placed;
  }

 private:
  PlacedStage place(const StageSpec& stage, const Place& place) {
    Ops& ops = ops_of(ops_for(place.device));
    auto constants = constants_of(stage.module);
    auto weights = declare_weights(stage, *ops.library);
    auto attributes = constants;
    attributes.insert(attributes.end(), weights.begin(), weights.end());
    PlacedStage placed{.device = place.device,
                       .code = ops.compiler.compile(stage.name, stage.module.source, attributes),
                       .constants = std::move(constants),
                       .weights = std::move(weights)};
    name_failures(place.device.str(), [&] { bind(placed, stage, place, ops.library); });
    return placed;
  }

  void bind(PlacedStage& placed, const StageSpec& stage, const Place& place,
            const std::shared_ptr<const OpLibrary>& library) {
    switch (place.weights) {
      case Place::Weights::kOnDevice:
        placed.resident = placed.bind(load(stage, place.device, library));
        return;
      case Place::Weights::kOnHost:
        placed.fetch = fetch([stream = loader_of(place.device, library),
                              host = load(stage, c10::kCPU, library)] { return stream->copy(host); });
        return;
      case Place::Weights::kOnDisk:
        if (place.device.is_cpu() && leave_tables(placed, stage, *library)) return;
        placed.fetch = fetch([stream = loader_of(place.device, library), stage] {
          return stream->load(stage, [](int64_t) {});
        });
    }
  }

  StageWeights load(const StageSpec& stage, c10::Device device,
                    const std::shared_ptr<const OpLibrary>& library) {
    auto weights = loader_of(device, library)->load(stage, [this](int64_t bytes) {
      loaded_ += bytes;
      progress_(total_ == 0 ? 1.0 : static_cast<double>(loaded_) / static_cast<double>(total_));
    });
    for (const auto& weight : weights) bytes_ += bytes_of(weight);
    return weights;
  }

  // A stage of nothing but tables needs none of them in memory.
  bool leave_tables(PlacedStage& placed, const StageSpec& stage, const OpLibrary& library) {
    bool can_stay = true;
    for_each_weight(stage, [&](const WeightSpec& weight) {
      can_stay = can_stay && weight.kind == WeightSpec::Kind::kTable && reader_.find_rows(weight);
    });
    if (!can_stay) return false;
    placed.resident = placed.bind(load_weights(stage, library, [&](const WeightSpec& weight) {
      return c10::IValue(table_in_file(checkpoint_, *reader_.find_rows(weight)));
    }));
    return true;
  }

  static std::shared_ptr<const WeightStream::Fetch> fetch(WeightStream::Fetch fetch) {
    return std::make_shared<const WeightStream::Fetch>(std::move(fetch));
  }

  Ops& ops_of(OpSet set) {
    auto& ops = ops_[set];
    if (ops == nullptr) ops = std::make_unique<Ops>(set, spec_.reference);
    return *ops;
  }

  // What loads and fetches for a device share: they run one after the other, and its buffers are large.
  std::shared_ptr<WeightLoader> loader_of(c10::Device device,
                                          const std::shared_ptr<const OpLibrary>& library) {
    auto& loader = loaders_[{library->ops(), device.str()}];
    if (loader == nullptr) loader = std::make_shared<WeightLoader>(checkpoint_, dtype_, library, device);
    return loader;
  }

  const ProgramSpec& spec_;
  const std::shared_ptr<const Checkpoint>& checkpoint_;
  const WeightReader reader_;
  const at::ScalarType dtype_;
  const StageDevices& devices_;
  const Progress& progress_;
  int64_t total_ = 0;
  int64_t loaded_ = 0;
  int64_t bytes_ = 0;
  std::map<OpSet, std::unique_ptr<Ops>> ops_;
  std::map<std::pair<OpSet, std::string>, std::shared_ptr<WeightLoader>> loaders_;
};

}  // namespace

torch::jit::Module PlacedStage::bind(StageWeights values) const {
  auto module = code.make(constants);
  for (size_t i = 0; i < values.size(); ++i) module.setattr(weights[i].name, std::move(values[i]));
  return module;
}

PlacedStages place_stages(const ProgramSpec& spec, const std::shared_ptr<const Checkpoint>& checkpoint,
                          at::ScalarType dtype, const StageDevices& devices, const Progress& progress) {
  return Placer(spec, checkpoint, dtype, devices, progress).run();
}

}  // namespace reward_model_score
