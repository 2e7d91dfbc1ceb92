// What torch.save wrote before version 1.6, and still writes where somebody asks for it: pickles of a magic
// number, the version of the format, the machine, the state dict and the keys of its storages; then, in the
// order of those keys, the number of elements and the bytes of each storage.
#include <algorithm>
#include <stdexcept>
#include <unordered_map>

#include "base/error.h"
#include "weights/pickle.h"
#include "weights/stored_tensor.h"
#include "weights/torch_tensor.h"

namespace reward_model_score {
namespace {

// Of the pickles together: a hundred times those of the largest models, and few enough to be in memory.
constexpr uint64_t kLongestPickles = 64 << 20;

using Storages = std::unordered_map<std::string, StorageBytes>;

Storages find_storages(const ModelFile& file, const LegacyPickles& pickles) {
  Storages storages;
  uint64_t end = pickles.size;
  for (const auto& [storage_class, key, elements] : pickles.storages) {
    const auto element = element_of_storage(storage_class);
    if (!element) throw std::runtime_error("it holds a " + storage_class + ", which no tensor has");
    int64_t count;
    if (file.size() - end < sizeof(count)) throw std::runtime_error("it ends before the storage " + key);
    file.read(end, &count, sizeof(count));
    end += sizeof(count);
    if (count != elements) {
      throw std::runtime_error("its storage " + key + " has " + std::to_string(count) +
                               " elements in the place of " + std::to_string(elements));
    }
    if (static_cast<uint64_t>(count) > (file.size() - end) / *element)
      throw std::runtime_error("it ends inside the storage " + key);
    const StorageBytes bytes{end, static_cast<uint64_t>(count) * *element};
    if (!storages.emplace(key, bytes).second)
      throw std::runtime_error("it holds the storage " + key + " twice");
    end += bytes.size;
  }
  return storages;
}

std::vector<StoredTensor> read(const ModelFile& file) {
  auto pickles = read_legacy_pickles(file.read(0, std::min(file.size(), kLongestPickles)));
  if (!pickles.little_endian) refuse_big_endian(file);
  if (pickles.tensors.empty()) throw std::runtime_error("it holds no tensors");
  const auto storages = find_storages(file, pickles);
  std::vector<StoredTensor> tensors;
  for (auto& pickled : pickles.tensors) {
    const auto found = storages.find(pickled.record);
    if (found == storages.end()) refuse_tensor(file, pickled, "has no data in the file");
    tensors.push_back(bind_tensor(file, std::move(pickled), found->second));
  }
  return tensors;
}

}  // namespace

bool is_torch_legacy(const ModelFile& file) {
  constexpr uint64_t kStart = 32;
  return is_legacy_pickle(file.read(0, std::min(file.size(), kStart)));
}

std::vector<StoredTensor> read_torch_legacy(const ModelFile& file) {
  try {
    return read(file);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    refuse_file(file.path(), error.what());
  }
}

}  // namespace reward_model_score
