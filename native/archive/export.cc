#include "archive/export.h"

#include <torch/csrc/jit/serialization/export.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <system_error>
#include <unordered_map>

#include "base/error.h"
#include "compile/stage_attributes.h"
#include "weights/weight_reader.h"

namespace reward_model_score {
namespace {

constexpr char kModulePrefix[] = "__torch__.reward_model_score.";

// Modules named as in the checkpoint: "model.layers.0" is a child of a child.
class ModuleTree {
 public:
  explicit ModuleTree(const OpLibrary& library) : library_(library), root_(container("Program")) {}

  torch::jit::Module& root() { return root_; }

  // Returns the expression that refers to the module in the source of the root's methods.
  std::string add(const std::string& name, const torch::jit::Module& module) {
    std::istringstream path(name);
    std::vector<std::string> parts;
    for (std::string part; std::getline(path, part, '.');) parts.push_back(part);
    torch::jit::Module parent = root_;
    std::string expression = "self";
    for (size_t i = 0; i < parts.size(); ++i) {
      expression = "getattr(" + expression + ", \"" + parts[i] + "\")";
      if (i + 1 == parts.size()) {
        parent.register_module(parts[i], module);
      } else {
        auto [child, inserted] = containers_.try_emplace(expression, parent);
        if (inserted) {
          child->second = container("Modules");
          parent.register_module(parts[i], child->second);
        }
        parent = child->second;
      }
    }
    return expression;
  }

 private:
  torch::jit::Module container(const std::string& name) const {
    return torch::jit::Module(c10::QualifiedName(kModulePrefix + name), library_.unit(),
                              /*shouldMangle=*/true);
  }

  const OpLibrary& library_;
  torch::jit::Module root_;
  std::unordered_map<std::string, torch::jit::Module> containers_;
};

void check_weights(const ProgramSpec& spec, const WeightReader& reader) {
  for (const auto& stage : spec.stages) {
    for_each_weight(stage, [&](const WeightSpec& weight) { reader.check(weight); });
  }
}

std::vector<StageAttribute> attributes_of(const StageSpec& stage, WeightReader& reader,
                                          const OpLibrary& library) {
  auto attributes = constants_of(stage.module);
  auto weights = declare_weights(stage, library);
  auto values = load_weights(stage, library, [&](const WeightSpec& spec) -> c10::IValue {
    const auto weight = reader.read(spec);
    if (spec.kind == WeightSpec::Kind::kLinear)
      return library.weight(weight.tensor, weight.bias, weight.tensor.scalar_type());
    return weight.tensor;
  });
  for (size_t i = 0; i < weights.size(); ++i) {
    weights[i].value = std::move(values[i]);
    attributes.push_back(std::move(weights[i]));
  }
  return attributes;
}

// A file under another name until it is complete. What goes wrong is told at the end: libtorch's writer
// finishes the archive in its destructor, and what throws there ends the process.
class PartialFile {
 public:
  explicit PartialFile(const std::string& path) : target_(path), partial_(path) {
    partial_ += ".partial";
    // Opening a named pipe would wait for somebody who reads from it.
    std::error_code unknown;
    const auto present = std::filesystem::status(partial_, unknown);
    if (std::filesystem::exists(present) && !std::filesystem::is_regular_file(present)) {
      throw Error("ERR_IO", "Cannot write " + partial_.string() + ": it is there and is not a regular file.",
                  {{"path", path}});
    }
    errno = 0;
    stream_.open(partial_, std::ios::binary);
    note_failure();
  }
  ~PartialFile() {
    stream_.close();
    std::error_code ignored;
    std::filesystem::remove(partial_, ignored);
  }
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  size_t write(const void* data, size_t size) {
    if (failure_ == 0) {
      errno = 0;
      stream_.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
      note_failure();
    }
    return size;
  }

  void commit() {
    errno = 0;
    stream_.close();
    note_failure();
    std::error_code status;
    if (failure_ == 0) std::filesystem::rename(partial_, target_, status);
    if (status) failure_ = status.value();
    if (failure_ == 0) return;
    const std::string path = target_.string();
    if (failure_ == ENOSPC) {
      throw Error("ERR_DISK_FULL", "The disk is full: " + path + " cannot be written. Free some.",
                  {{"path", path}});
    }
    throw Error("ERR_IO", "Cannot write " + path + ": " + std::generic_category().message(failure_) + ".",
                {{"path", path}});
  }

 private:
  void note_failure() {
    if (!stream_ && failure_ == 0) failure_ = errno != 0 ? errno : EIO;
  }

  std::filesystem::path target_, partial_;
  std::ofstream stream_;
  int failure_ = 0;
};

void save(const torch::jit::Module& module, const std::string& output,
          const std::map<std::string, std::string>& extra_files) {
  PartialFile file(output);
  const std::function<size_t(const void*, size_t)> write = [&](const void* data, size_t size) {
    return file.write(data, size);
  };
  torch::jit::ExportModule(module, write, {extra_files.begin(), extra_files.end()});
  file.commit();
}

}  // namespace

void export_program(const ProgramSpec& spec, const PaddedInput& input, const Checkpoint& checkpoint,
                    at::ScalarType dtype, const std::string& output, const Progress& progress) {
  const OpLibrary library(OpSet::kReference, spec.reference);
  WeightReader reader(checkpoint, dtype);
  check_weights(spec, reader);
  ModuleTree tree(library);
  StageCompiler compiler(library);
  const auto compile = [&](const std::string& name, const std::string& source,
                           const std::vector<StageAttribute>& attributes) {
    return tree.add(name, compiler.compile(name, source, attributes).make(attributes));
  };
  const auto compile_input = [&](const std::string& name, const ModuleSource& module) {
    return compile(name, module.source, constants_of(module));
  };
  std::string source = "def forward(self, input_ids: Tensor, attention_mask: Tensor";
  for (const auto& [field, argument] : input.fields) source += ", " + argument + ": Optional[Tensor] = None";
  source += ") -> Tensor:\n    fields: Dict[str, Tensor] = {}\n";
  for (const auto& [field, argument] : input.fields) {
    source += "    fields[\"" + field + "\"] = " + argument + " if " + argument +
              " is not None else torch.zeros_like(input_ids)\n";
  }
  source +=
      "    picked = " + compile_input("pooling", input.pooling) + ".forward(input_ids, attention_mask)\n";
  source += "    batch, missing = " + compile_input("packing", input.packing) +
            ".forward(input_ids, attention_mask, picked, fields)\n";
  // The number that TorchScript knows the type by.
  source += "    x = torch.empty([0], dtype=" + std::to_string(static_cast<int>(dtype)) +
            ", device=input_ids.device)\n";
  for (const auto& stage : spec.stages) {
    progress(0);
    source += "    x = " + compile(stage.name, stage.module.source, attributes_of(stage, reader, library)) +
              ".forward(x, batch)\n";
  }
  source += "    return x.masked_fill(missing.unsqueeze(1), float(\"nan\"))\n";
  tree.root().define(source, library.resolver());
  save(tree.root(), output, spec.extra_files);
}

}  // namespace reward_model_score
