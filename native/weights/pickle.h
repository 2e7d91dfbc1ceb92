#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reward_model_score {

// Of a tensor: far above any real one, and low enough for libtorch to index.
constexpr size_t kMostDimensions = 32;

// A tensor as the pickle of torch.save describes it: a strided view of a storage that lies in a record of its
// own.
struct PickledTensor {
  std::string name;
  std::string storage_class;  // "FloatStorage"
  std::string dtype;          // "float8_e4m3fn"; empty where the class says it
  std::string record;         // key of the storage
  int64_t storage_elements = 0;
  int64_t offset = 0;  // in elements
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
};

// Reads the tensors of a pickled state dict (a dict from names to tensors or parameters; other entries are
// skipped). It knows the few opcodes and classes that torch.save writes for one and never calls anything that
// the pickle names. Throws std::runtime_error that says what else it found.
std::vector<PickledTensor> read_state_dict_pickle(std::string_view pickle);

// A storage that a pickle names.
struct PickledStorage {
  std::string storage_class;
  std::string key;
  int64_t elements = 0;
};

// What stands before the storages in a file that torch.save wrote before version 1.6.
struct LegacyPickles {
  bool little_endian = true;
  std::vector<PickledTensor> tensors;
  // In the order in which their bytes follow.
  std::vector<PickledStorage> storages;
  // Of all pickles, in bytes.
  size_t size = 0;
};

// Whether bytes begin as such a file does.
bool is_legacy_pickle(std::string_view head);

// Reads the pickles at the beginning of such a file, as `read_state_dict_pickle` does.
LegacyPickles read_legacy_pickles(std::string_view head);

// As `read_state_dict_pickle` for the module of a TorchScript archive. A tensor is named by the attributes,
// keys and indexes on the way to it: "model.layers.0.qkv.0".
std::vector<PickledTensor> read_module_pickle(std::string_view pickle);

}  // namespace reward_model_score
