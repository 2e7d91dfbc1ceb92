#include "archive/file.h"

#include <c10/util/Exception.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/serialization/import.h>

#include <filesystem>
#include <memory>
#include <new>

#include "base/error.h"
#include "weights/model_file.h"
#include "weights/zip_adapter.h"

namespace reward_model_score {
namespace {

using caffe2::serialize::PyTorchStreamReader;

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

Error corrupt(const std::string& path, const std::string& reason) {
  return {"ERR_MODEL_CORRUPT",
          "The TorchScript archive " + path + " is damaged or incomplete: " + reason +
              ". Fetch or export it again.",
          {{"path", path}}};
}

Error not_torchscript(const std::string& path, const std::string& what) {
  return {"ERR_NOT_TORCHSCRIPT",
          path + " is not a TorchScript archive: " + what +
              ". Save one with torch.jit.save(torch.jit.trace(model, …), path), for example with "
              "node_modules/reward-model-score/scripts/export_torchscript.py.",
          {{"path", path}}};
}

ModelFile open_file(const std::string& path) {
  std::error_code status;
  if (std::filesystem::is_directory(path, status)) throw not_torchscript(path, "it is a directory");
  return ModelFile(path);
}

// A ZIP file starts with a local header, whatever happened to its end.
bool looks_like_zip(const ModelFile& file) { return file.size() >= 4 && file.read(0, 4) == "PK\x03\x04"; }

std::unique_ptr<PyTorchStreamReader> open_zip(const ModelFile& file) {
  const std::string& path = file.path();
  try {
    return std::make_unique<PyTorchStreamReader>(std::make_shared<ZipAdapter>(file));
  } catch (const c10::Error& error) {
    const std::string reason = first_line(error.what_without_backtrace());
    // torch's archives keep everything in one folder; another ZIP file is whole but something else.
    if (reason.find("not in a subdirectory") != std::string::npos)
      throw not_torchscript(path, "it is another ZIP file");
    throw corrupt(path, reason);
  }
}

// Larger than the headers of any model's weights.
constexpr size_t kLargestExtraFile = size_t{256} << 20;

std::unique_ptr<PyTorchStreamReader> open_archive(const ModelFile& file) {
  const std::string& path = file.path();
  if (file.size() == 0) throw corrupt(path, "it is empty");
  if (!looks_like_zip(file)) throw not_torchscript(path, "it is not even a ZIP file");
  auto zip = open_zip(file);
  // torch.save writes a ZIP of the same kind, with weights and without code.
  if (!zip->hasRecord("constants.pkl")) throw not_torchscript(path, "it holds weights but no program");
  return zip;
}

// What libtorch throws where a file is not what it says.
template <typename Read>
auto name_damage(const std::string& path, const Read& read) {
  try {
    return read();
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const c10::OutOfMemoryError&) {
    throw;
  } catch (const c10::Error& error) {
    throw corrupt(path, first_line(error.what_without_backtrace()));
  } catch (const std::exception& error) {
    throw corrupt(path, first_line(error.what()));
  }
}

}  // namespace

torch::jit::Module read_archive(const std::string& path) {
  const ModelFile file = open_file(path);
  open_archive(file);
  return name_damage(
      path, [&] { return torch::jit::load(std::make_shared<ZipAdapter>(file), c10::Device("cpu")); });
}

std::optional<std::string> read_extra_file(const std::string& path, const std::string& name) {
  const ModelFile file = open_file(path);
  const auto zip = open_archive(file);
  return name_damage(path, [&]() -> std::optional<std::string> {
    const std::string record = "extra/" + name;
    if (!zip->hasRecord(record)) return std::nullopt;
    if (zip->getRecordSize(record) > kLargestExtraFile) throw corrupt(path, record + " is too large");
    const auto [text, size] = zip->getRecord(record);
    return std::string(static_cast<const char*>(text.get()), size);
  });
}

}  // namespace reward_model_score
