// torch.save's zip format: "data.pkl" describes the tensors, "data/<key>" holds each storage, uncompressed. A
// TorchScript archive is one too, with a module in the place of the state dict.
#include <caffe2/serialize/inline_container.h>

#include <stdexcept>

#include "base/error.h"
#include "weights/pickle.h"
#include "weights/stored_tensor.h"
#include "weights/torch_tensor.h"
#include "weights/zip_adapter.h"

namespace reward_model_score {
namespace {

class TorchZip {
 public:
  explicit TorchZip(const ModelFile& file) : file_(file), zip_(std::make_shared<ZipAdapter>(file)) {}

  std::vector<StoredTensor> read() {
    if (zip_.hasRecord("byteorder")) {
      const auto [bytes, size] = zip_.getRecord("byteorder");
      if (std::string_view(static_cast<const char*>(bytes.get()), size) != "little") {
        refuse_big_endian(file_);
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
  StoredTensor bind(PickledTensor pickled) {
    const auto bytes = storage(pickled);
    return bind_tensor(file_, std::move(pickled), bytes);
  }

  StorageBytes storage(const PickledTensor& pickled) {
    const auto refuse = [&](const std::string& what) { refuse_tensor(file_, pickled, what); };
    const auto record = "data/" + pickled.record;
    if (!zip_.hasRecord(record)) refuse("has no data in the file");
    const auto header = zip_.getRecordHeaderOffset(record);
    const auto begin = zip_.getRecordOffset(record);
    const auto size = zip_.getRecordSize(record);
    if (begin > file_.size() || size > file_.size() - begin) refuse("lies outside the file");
    // Local file header of the zip format: the compression method is at byte 8.
    uint16_t method;
    file_.read(header + 8, &method, sizeof(method));
    if (method != 0) refuse("is compressed, which torch.save never does");
    return {begin, size};
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
