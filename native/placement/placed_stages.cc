#include "placement/placed_stages.h"

#include <map>
#include <unordered_map>

#include "engine/failure.h"
#include "program/stage_attributes.h"

namespace reward_model_score {
namespace {

// The fused ops are for the CPU; float16 has none there and runs on the reference.
OpSet ops_for(c10::Device device, at::ScalarType dtype) {
  if (!device.is_cpu()) return OpSet::kDevice;
  return dtype == at::kHalf ? OpSet::kReference : OpSet::kFused;
}

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
         const DeviceMap& map, const Progress& progress)
      : spec_(spec),
        checkpoint_(checkpoint),
        reader_(std::make_shared<WeightReader>(*checkpoint, dtype)),
        dtype_(dtype),
        map_(map),
        progress_(progress) {}

  PlacedStages run() {
    PlacedStages placed;
    for (const StageSpec& stage : spec_.stages) {
      const bool on_disk = map_.place(stage).weights == Place::Weights::kOnDisk;
      for_each_weight(stage, [&](const WeightSpec& weight) {
        const int64_t bytes = reader_->check(weight);
        if (!on_disk) placed.bytes += bytes;
      });
    }
    total_ = placed.bytes;
    for (const StageSpec& stage : spec_.stages) placed.stages.push_back(place(stage, map_.place(stage)));
    progress_(1);
    return placed;
  }

 private:
  PlacedStage place(const StageSpec& stage, const Place& place) {
    Ops& ops = ops_of(ops_for(place.device, dtype_));
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
      case Place::Weights::kOnDevice: {
        WeightLoader loader(checkpoint_, dtype_, library, place.device);
        placed.resident = placed.bind(loader.load(stage, loaded()));
        return;
      }
      case Place::Weights::kOnHost: {
        WeightLoader loader(checkpoint_, dtype_, library, c10::Device(c10::kCPU));
        placed.fetch = fetch([stream = stream_of(place.device, library),
                              host = loader.load(stage, loaded())] { return stream->copy(host); });
        return;
      }
      case Place::Weights::kOnDisk:
        if (place.device.is_cpu() && map_tables(placed, stage, *library)) return;
        placed.fetch = fetch([stream = stream_of(place.device, library), stage] {
          return stream->load(stage, [](int64_t) {});
        });
    }
  }

  // Tables that stay in the file: a lookup reads the rows it needs and nothing else.
  bool map_tables(PlacedStage& placed, const StageSpec& stage, const OpLibrary& library) {
    bool mapped = true;
    std::vector<WeightSpec> tables;
    for_each_weight(stage, [&](const WeightSpec& weight) {
      mapped = mapped && weight.kind == WeightSpec::Kind::kTable && reader_->map(weight);
      tables.push_back(weight);
    });
    if (!mapped) return false;
    const auto map = [&](const WeightSpec& weight) { return c10::IValue(*reader_->map(weight)); };
    placed.resident = placed.bind(load_weights(stage, library, map));
    placed.release = [tables, reader = reader_, checkpoint = checkpoint_] {
      for (const auto& table : tables) reader->release(table);
    };
    return true;
  }

  static std::shared_ptr<const WeightStream::Fetch> fetch(WeightStream::Fetch fetch) {
    return std::make_shared<const WeightStream::Fetch>(std::move(fetch));
  }

  WeightLoader::Loaded loaded() {
    return [this](int64_t bytes) {
      loaded_ += bytes;
      progress_(total_ == 0 ? 1.0 : static_cast<double>(loaded_) / static_cast<double>(total_));
    };
  }

  Ops& ops_of(OpSet set) {
    auto& ops = ops_[set];
    if (ops == nullptr) ops = std::make_unique<Ops>(set, spec_.reference);
    return *ops;
  }

  // What fetches for a device share: they run one after the other, and its buffers are large.
  std::shared_ptr<WeightLoader> stream_of(c10::Device device,
                                          const std::shared_ptr<const OpLibrary>& library) {
    auto& stream = streams_[device];
    if (stream == nullptr) stream = std::make_shared<WeightLoader>(checkpoint_, dtype_, library, device);
    return stream;
  }

  const ProgramSpec& spec_;
  const std::shared_ptr<const Checkpoint>& checkpoint_;
  const std::shared_ptr<const WeightReader> reader_;
  const at::ScalarType dtype_;
  const DeviceMap& map_;
  const Progress& progress_;
  int64_t total_ = 0;
  int64_t loaded_ = 0;
  std::map<OpSet, std::unique_ptr<Ops>> ops_;
  std::unordered_map<c10::Device, std::shared_ptr<WeightLoader>> streams_;
};

}  // namespace

torch::jit::Module PlacedStage::bind(StageWeights values) const {
  auto module = code.make(constants);
  for (size_t i = 0; i < values.size(); ++i) module.setattr(weights[i].name, std::move(values[i]));
  return module;
}

PlacedStages place_stages(const ProgramSpec& spec, const std::shared_ptr<const Checkpoint>& checkpoint,
                          at::ScalarType dtype, const DeviceMap& map, const Progress& progress) {
  return Placer(spec, checkpoint, dtype, map, progress).run();
}

}  // namespace reward_model_score
