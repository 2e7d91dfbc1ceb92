// torch.save's zip format: "data.pkl" describes the tensors, "data/<key>" holds each storage, uncompressed. A
// TorchScript archive is one too, with a module in the place of the state dict.
#include <ATen/ops/empty_strided.h>
#include <c10/util/safe_numerics.h>
#include <caffe2/serialize/inline_container.h>

#include <stdexcept>

#include "base/error.h"
#include "weights/pickle.h"
#include "weights/stored_tensor.h"
#include "weights/zip_adapter.h"

namespace reward_model_score {
namespace {

std::string dtype_of(const std::string& storage_class) {
  static constexpr const char* kClasses[][2] = {
      {"FloatStorage", "F32"}, {"BFloat16Storage", "BF16"}, {"HalfStorage", "F16"},  {"DoubleStorage", "F64"},
      {"LongStorage", "I64"},  {"IntStorage", "I32"},       {"ShortStorage", "I16"}, {"CharStorage", "I8"},
      {"ByteStorage", "U8"},   {"BoolStorage", "BOOL"},
  };
  for (const auto& [name, dtype] : kClasses) {
    if (storage_class == name) return dtype;
  }
  return storage_class;
}

class TorchZip {
 public:
  explicit TorchZip(const ModelFile& file) : file_(file), zip_(std::make_shared<ZipAdapter>(file)) {}

  std::vector<StoredTensor> read() {
    if (zip_.hasRecord("byteorder")) {
      const auto [bytes, size] = zip_.getRecord("byteorder");
      if (std::string_view(static_cast<const char*>(bytes.get()), size) != "little") {
        throw Error("ERR_NOT_SUPPORTED",
                    file_.path() + " was saved on a big endian machine. Save it again on another.",
                    {{"feature", "big endian checkpoints"}});
      }
    }
    const auto [pickle, size] = zip_.getRecord("data.pkl");
    const auto read_pickle = zip_.hasRecord("constants.pkl") ? read_module_pickle : read_state_dict_pickle;
    std::vector<StoredTensor> tensors;
    for (auto& pickled : read_pickle({static_cast<const char*>(pickle.get()), size})) {
      tensors.push_back(bind(std::move(pickled)));
    }
    if (tensors.empty()) throw std::runtime_error("it holds no tensors");
    return tensors;
  }

 private:
  [[noreturn]] void refuse(const PickledTensor& tensor, const std::string& what) const {
    refuse_file(file_.path(), "tensor " + tensor.name + " " + what, tensor.name);
  }

  StoredTensor bind(PickledTensor pickled) {
    StoredTensor tensor;
    tensor.dtype = dtype_of(pickled.storage_class);
    if (const auto type = scalar_type(tensor.dtype)) {
      check_view(pickled, c10::elementSize(*type));
      tensor.layout =
          at::empty_strided(pickled.shape, pickled.strides, at::TensorOptions(at::kMeta).dtype(*type));
      tensor.begin = storage(pickled) + static_cast<uint64_t>(pickled.offset) * c10::elementSize(*type);
    }
    tensor.name = std::move(pickled.name);
    tensor.shape = std::move(pickled.shape);
    return tensor;
  }

  // The view lies inside its storage, and the storage inside its record.
  void check_view(const PickledTensor& pickled, size_t element) {
    const auto record = "data/" + pickled.record;
    if (!zip_.hasRecord(record)) refuse(pickled, "has no data in the file");
    uint64_t bytes;
    if (c10::mul_overflows(static_cast<uint64_t>(pickled.storage_elements), static_cast<uint64_t>(element),
                           &bytes) ||
        bytes > zip_.getRecordSize(record)) {
      refuse(pickled, "needs more bytes than the file holds for it");
    }
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
    if (!valid || (!empty && last >= static_cast<uint64_t>(pickled.storage_elements)) ||
        pickled.offset > pickled.storage_elements) {
      refuse(pickled, "reaches outside its storage");
    }
  }

  uint64_t storage(const PickledTensor& pickled) {
    const auto record = "data/" + pickled.record;
    const auto header = zip_.getRecordHeaderOffset(record);
    const auto begin = zip_.getRecordOffset(record);
    const auto size = zip_.getRecordSize(record);
    if (begin > file_.size() || size > file_.size() - begin) refuse(pickled, "lies outside the file");
    // Local file header of the zip format: the compression method is at byte 8.
    uint16_t method;
    file_.read(header + 8, &method, sizeof(method));
    if (method != 0) refuse(pickled, "is compressed, which torch.save never does");
    return begin;
  }

  const ModelFile& file_;
  caffe2::serialize::PyTorchStreamReader zip_;
};

}  // namespace

std::vector<StoredTensor> read_torch_zip(const ModelFile& file) {
  try {
    return TorchZip(file).read();
  } catch (const Error&) {
    throw;
  } catch (const c10::Error& error) {
    refuse_file(file.path(), error.what_without_backtrace());
  } catch (const std::exception& error) {
    refuse_file(file.path(), error.what());
  }
}

}  // namespace reward_model_score
