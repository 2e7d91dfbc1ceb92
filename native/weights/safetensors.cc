// The safetensors format: 8 bytes of header length N (little endian), N bytes of JSON, then the tensors'
// bytes. https://github.com/huggingface/safetensors#format
#include <ATen/ops/empty.h>
#include <c10/util/safe_numerics.h>
#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <tuple>
#include <unordered_set>

#include "base/error.h"
#include "weights/pickle.h"
#include "weights/stored_tensor.h"

namespace reward_model_score {
namespace {

namespace json = simdjson::dom;

// The format's own limit.
constexpr uint64_t kLongestHeader = 100'000'000;

static_assert(std::endian::native == std::endian::little, "safetensors files are little endian");

struct Entry {
  StoredTensor tensor;
  uint64_t begin = 0;
  uint64_t end = 0;
};

// Bits of one element, 0 if the dtype is not one of the format's.
uint64_t bits_of(std::string_view dtype) {
  struct Size {
    std::string_view dtype;
    uint64_t bits;
  };
  static constexpr Size kSizes[] = {
      {"F64", 64},    {"I64", 64},    {"U64", 64},        {"C64", 64},        {"F32", 32},    {"I32", 32},
      {"U32", 32},    {"F16", 16},    {"BF16", 16},       {"I16", 16},        {"U16", 16},    {"I8", 8},
      {"U8", 8},      {"BOOL", 8},    {"F8_E4M3", 8},     {"F8_E5M2", 8},     {"F8_E8M0", 8}, {"F4", 4},
      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8},
  };
  const auto* found = std::find_if(std::begin(kSizes), std::end(kSizes),
                                   [&](const Size& size) { return size.dtype == dtype; });
  return found == std::end(kSizes) ? 0 : found->bits;
}

class Header {
 public:
  explicit Header(const ModelFile& file) : file_(file) {}

  std::vector<StoredTensor> read() {
    if (file_.size() < 8) refuse("it has " + std::to_string(file_.size()) + " bytes, too few for a header");
    uint64_t length;
    file_.read(0, &length, 8);
    if (length > kLongestHeader) refuse("its header claims " + std::to_string(length) + " bytes");
    if (length > file_.size() - 8)
      refuse("it ends inside its header of " + std::to_string(length) + " bytes");
    start_ = 8 + length;

    json::parser parser;
    json::object object;
    const simdjson::padded_string text(file_.read(8, length));
    if (text.length() == 0 || text.data()[0] != '{') refuse("its header does not start with {");
    const auto error = parser.parse(text).get_object().get(object);
    if (error) refuse(std::string("its header is not a JSON object: ") + simdjson::error_message(error));
    for (const auto& [key, value] : object) read_field(std::string(key), value);
    check_coverage();

    std::vector<StoredTensor> tensors;
    for (auto& entry : entries_) tensors.push_back(std::move(entry.tensor));
    return tensors;
  }

 private:
  [[noreturn]] void refuse(const std::string& what, const std::string& tensor = "") {
    refuse_file(file_.path(), tensor.empty() ? what : "tensor " + tensor + " " + what, tensor);
  }

  // Its weights may be packed, or named and laid out as its own models have them.
  [[noreturn]] void refuse_mlx() {
    throw Error(
        "ERR_NOT_SUPPORTED",
        file_.path() + " was saved by MLX, as its metadata says. Use the model that it was converted from.",
        {{"feature", "MLX"}});
  }

  void read_field(const std::string& name, const json::element& value) {
    if (!names_.insert(name).second) refuse("appears twice", name);
    if (name != "__metadata__") return read_entry(name, value);
    json::object metadata;
    if (value.get_object().get(metadata)) refuse("its __metadata__ is not an object");
    for (const auto& [key, entry] : metadata) {
      std::string_view text;
      if (entry.get_string().get(text))
        refuse("its __metadata__ holds \"" + std::string(key) + "\", which is not a string");
      if (key == "format" && text == "mlx") refuse_mlx();
    }
  }

  void read_entry(const std::string& name, const json::element& value) {
    json::object fields;
    if (value.get_object().get(fields)) refuse("is not described by an object", name);
    Entry entry;
    entry.tensor.name = name;
    int seen_dtype = 0, seen_shape = 0, seen_offsets = 0;
    for (const auto& [key, field] : fields) {
      if (key == "dtype") {
        ++seen_dtype;
        std::string_view dtype;
        if (field.get_string().get(dtype)) refuse("has a dtype that is not a string", name);
        entry.tensor.dtype = dtype;
      } else if (key == "shape") {
        ++seen_shape;
        read_shape(entry, field);
      } else if (key == "data_offsets") {
        ++seen_offsets;
        read_offsets(entry, field);
      }
    }
    if (seen_dtype != 1 || seen_shape != 1 || seen_offsets != 1) {
      refuse("needs dtype, shape and data_offsets once each", name);
    }
    check_size(entry);
    if (const auto type = scalar_type(entry.tensor.dtype)) {
      entry.tensor.layout = at::empty(entry.tensor.shape, at::TensorOptions(at::kMeta).dtype(*type));
      entry.tensor.begin = start_ + entry.begin;
    }
    entries_.push_back(std::move(entry));
  }

  void read_shape(Entry& entry, const json::element& value) {
    json::array sizes;
    if (value.get_array().get(sizes)) refuse("has a shape that is not a list", entry.tensor.name);
    entry.tensor.shape.clear();
    for (const auto& item : sizes) {
      int64_t size;
      if (item.get_int64().get(size) || size < 0) refuse("has a size that is not a count", entry.tensor.name);
      entry.tensor.shape.push_back(size);
    }
    if (entry.tensor.shape.size() > kMostDimensions) refuse("has too many dimensions", entry.tensor.name);
  }

  void read_offsets(Entry& entry, const json::element& value) {
    json::array offsets;
    if (value.get_array().get(offsets) || offsets.size() != 2 ||
        offsets.at(0).get_uint64().get(entry.begin) || offsets.at(1).get_uint64().get(entry.end)) {
      refuse("has data_offsets that are not two offsets", entry.tensor.name);
    }
    const uint64_t available = file_.size() - start_;
    if (entry.begin > entry.end || entry.end > available) {
      refuse("claims bytes " + std::to_string(entry.begin) + " to " + std::to_string(entry.end) + " of " +
                 std::to_string(available),
             entry.tensor.name);
    }
  }

  void check_size(const Entry& entry) {
    const auto& tensor = entry.tensor;
    const uint64_t element = bits_of(tensor.dtype);
    if (element == 0) refuse("has the unknown dtype " + tensor.dtype, tensor.name);
    // A size of 0 would hide an overflow of the others, and libtorch computes strides from them all.
    uint64_t extent = element;
    bool empty = false;
    for (const auto size : tensor.shape) {
      empty = empty || size == 0;
      if (c10::mul_overflows(extent, std::max<uint64_t>(size, 1), &extent) || extent >> 62 != 0) {
        refuse("has a shape whose size overflows", tensor.name);
      }
    }
    const uint64_t bits = empty ? 0 : extent;
    if (bits % 8 != 0 || bits / 8 != entry.end - entry.begin) {
      refuse("has " + std::to_string(entry.end - entry.begin) + " bytes, but its shape and dtype need " +
                 std::to_string(bits / 8),
             tensor.name);
    }
  }

  // The format allows neither overlaps nor holes: both could hide bytes from whoever inspects the file.
  void check_coverage() {
    std::vector<const Entry*> ordered;
    for (const auto& entry : entries_) ordered.push_back(&entry);
    std::sort(ordered.begin(), ordered.end(), [](const Entry* a, const Entry* b) {
      return std::tie(a->begin, a->end) < std::tie(b->begin, b->end);
    });
    uint64_t reached = 0;
    for (const auto* entry : ordered) {
      if (entry->begin < reached) refuse("overlaps the tensor before it", entry->tensor.name);
      if (entry->begin > reached) refuse("leaves a hole before it", entry->tensor.name);
      reached = entry->end;
    }
    if (start_ + reached != file_.size()) {
      refuse("its tensors end at byte " + std::to_string(start_ + reached) + " of " +
             std::to_string(file_.size()));
    }
  }

  const ModelFile& file_;
  uint64_t start_ = 0;
  std::vector<Entry> entries_;
  std::unordered_set<std::string> names_;
};

}  // namespace

std::vector<StoredTensor> read_safetensors(const ModelFile& file) { return Header(file).read(); }

}  // namespace reward_model_score
