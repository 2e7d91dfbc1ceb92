#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "weights/pickle.h"
#include "weights/stored_tensor.h"

namespace reward_model_score {

// The bytes of a storage in a file.
struct StorageBytes {
  uint64_t begin = 0;
  uint64_t size = 0;
};

// Of an element of a storage, in bytes; nothing for a class that torch.save has no file of.
std::optional<size_t> element_of_storage(const std::string& storage_class);

// ERR_MODEL_CORRUPT with the tensor.
[[noreturn]] void refuse_tensor(const ModelFile& file, const PickledTensor& tensor, const std::string& what);

// ERR_NOT_SUPPORTED
[[noreturn]] void refuse_big_endian(const ModelFile& file);

// A tensor of a pickle: a view that lies inside its storage, and the storage inside the bytes that the file
// has for it.
StoredTensor bind_tensor(const ModelFile& file, PickledTensor pickled, const StorageBytes& storage);

}  // namespace reward_model_score
