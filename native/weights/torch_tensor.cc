#include "weights/torch_tensor.h"

#include <ATen/ops/empty_strided.h>
#include <c10/util/safe_numerics.h>

#include <algorithm>
#include <iterator>
#include <string_view>

#include "base/error.h"

namespace reward_model_score {
namespace {

struct StorageClass {
  std::string_view name;
  std::string_view dtype;  // as safetensors spells it; empty for one that those do not know
  size_t element;
};

constexpr StorageClass kStorageClasses[] = {
    {"FloatStorage", "F32", 4},       {"BFloat16Storage", "BF16", 2}, {"HalfStorage", "F16", 2},
    {"DoubleStorage", "F64", 8},      {"LongStorage", "I64", 8},      {"IntStorage", "I32", 4},
    {"ShortStorage", "I16", 2},       {"CharStorage", "I8", 1},       {"ByteStorage", "U8", 1},
    {"BoolStorage", "BOOL", 1},       {"UntypedStorage", "U8", 1},    {"ComplexFloatStorage", "", 8},
    {"QInt8Storage", "", 1},          {"QUInt8Storage", "", 1},       {"QInt32Storage", "", 4},
    {"ComplexDoubleStorage", "", 16},
};

// Types of torch without a storage class.
constexpr std::string_view kDtypes[][2] = {
    {"float8_e4m3fn", "F8_E4M3"},
    {"float8_e5m2", "F8_E5M2"},
    {"float8_e8m0fnu", "F8_E8M0"},
    {"uint16", "U16"},
    {"uint32", "U32"},
    {"uint64", "U64"},
};

const StorageClass* find_class(const std::string& name) {
  const auto* found = std::find_if(std::begin(kStorageClasses), std::end(kStorageClasses),
                                   [&](const StorageClass& each) { return each.name == name; });
  return found == std::end(kStorageClasses) ? nullptr : found;
}

std::string dtype_of(const PickledTensor& pickled) {
  if (pickled.dtype.empty()) {
    const auto* found = find_class(pickled.storage_class);
    return found == nullptr || found->dtype.empty() ? pickled.storage_class : std::string(found->dtype);
  }
  for (const auto& [name, dtype] : kDtypes) {
    if (pickled.dtype == name) return std::string(dtype);
  }
  return pickled.dtype;
}

void check_view(const ModelFile& file, const PickledTensor& pickled, size_t element, uint64_t available) {
  const auto storage_element = element_of_storage(pickled.storage_class);
  uint64_t bytes;
  if (!storage_element ||
      c10::mul_overflows(static_cast<uint64_t>(pickled.storage_elements),
                         static_cast<uint64_t>(*storage_element), &bytes) ||
      bytes > available) {
    refuse_tensor(file, pickled, "needs more bytes than the file holds for it");
  }
  const uint64_t elements = bytes / element;
  bool valid = pickled.shape.size() == pickled.strides.size() && pickled.offset >= 0;
  auto last = static_cast<uint64_t>(pickled.offset);
  uint64_t extent = element;
  bool empty = false;
  for (size_t i = 0; valid && i < pickled.shape.size(); ++i) {
    const auto size = pickled.shape[i];
    const auto stride = pickled.strides[i];
    uint64_t reach;
    valid = size >= 0 && stride >= 0 &&
            !c10::mul_overflows(extent, static_cast<uint64_t>(std::max<int64_t>(size, 1)), &extent) &&
            extent >> 62 == 0 &&
            !c10::mul_overflows(static_cast<uint64_t>(std::max<int64_t>(size, 1) - 1),
                                static_cast<uint64_t>(stride), &reach) &&
            !c10::add_overflows(last, reach, &last);
    empty = empty || size == 0;
  }
  if (!valid || (!empty && last >= elements) || static_cast<uint64_t>(pickled.offset) > elements) {
    refuse_tensor(file, pickled, "reaches outside its storage");
  }
}

}  // namespace

std::optional<size_t> element_of_storage(const std::string& storage_class) {
  const auto* found = find_class(storage_class);
  if (found == nullptr) return std::nullopt;
  return found->element;
}

void refuse_tensor(const ModelFile& file, const PickledTensor& tensor, const std::string& what) {
  refuse_file(file.path(), "tensor " + tensor.name + " " + what, tensor.name);
}

void refuse_big_endian(const ModelFile& file) {
  throw Error("ERR_NOT_SUPPORTED",
              file.path() + " was saved on a big endian machine. Save it again on another.",
              {{"feature", "big endian checkpoints"}});
}

StoredTensor bind_tensor(const ModelFile& file, PickledTensor pickled, const StorageBytes& storage) {
  StoredTensor tensor;
  tensor.dtype = dtype_of(pickled);
  if (const auto type = scalar_type(tensor.dtype)) {
    const auto element = c10::elementSize(*type);
    check_view(file, pickled, element, storage.size);
    tensor.layout =
        at::empty_strided(pickled.shape, pickled.strides, at::TensorOptions(at::kMeta).dtype(*type));
    tensor.begin = storage.begin + static_cast<uint64_t>(pickled.offset) * element;
  }
  tensor.name = std::move(pickled.name);
  tensor.shape = std::move(pickled.shape);
  return tensor;
}

}  // namespace reward_model_score
