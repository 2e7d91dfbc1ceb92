#include "weights/weight_reader.h"

#include <ATen/ATen.h>
#include <c10/util/safe_numerics.h>

#include "error.h"

namespace reward_model_score {
namespace {

// Of the file's bytes that are mapped at a time while a tensor is copied.
constexpr int64_t kChunkBytes = 16 << 20;

std::string text_of(at::IntArrayRef shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

[[noreturn]] void refuse(const std::string& tensor, const std::string& path, const std::string& what) {
  throw Error("ERR_WEIGHTS", "Tensor " + tensor + " of " + path + " " + what,
              {{"tensor", tensor}, {"path", path}});
}

at::Tensor apply(const WeightPart& part, at::Tensor tensor) {
  if (part.reshape) tensor = tensor.reshape(*part.reshape);
  if (part.slice) {
    const auto& [dim, start, end] = *part.slice;
    TORCH_CHECK(dim >= 0 && dim < tensor.dim() && start >= 0 && start < end && end <= tensor.size(dim),
                "it has no range ", start, " to ", end, " along dimension ", dim);
    tensor = tensor.slice(dim, start, end);
  }
  if (part.transpose) tensor = tensor.t();
  if (part.flatten) tensor = tensor.reshape(*part.flatten);
  return tensor;
}

at::Tensor without_data(at::IntArrayRef shape) { return at::empty(shape, at::TensorOptions(at::kMeta)); }

bool is_aligned(const at::Tensor& tensor) {
  return reinterpret_cast<uintptr_t>(tensor.const_data_ptr()) % tensor.element_size() == 0;
}

// safetensors puts tensors at any byte; what computes expects whole elements.
at::Tensor aligned(const at::Tensor& tensor) {
  if (is_aligned(tensor)) return tensor;
  auto copy = at::empty(tensor.sizes(), tensor.options());
  const auto* bytes = static_cast<const char*>(tensor.const_data_ptr());
  std::copy(bytes, bytes + tensor.nbytes(), static_cast<char*>(copy.mutable_data_ptr()));
  return copy;
}

}  // namespace

const StoredTensor& WeightReader::stored(const WeightPart& part) const {
  const auto* tensor = checkpoint_.find(part.tensor);
  if (tensor == nullptr) {
    throw Error("ERR_WEIGHTS",
                "The checkpoint has no tensor " + part.tensor + ", which the model's configuration asks for.",
                {{"tensor", part.tensor}});
  }
  return *tensor;
}

int64_t WeightReader::check(const WeightSpec& spec) const {
  if (spec.parts.empty()) throw Error("ERR_MODEL_CONFIG", "A weight of the program has no parts.");
  // Checks one part and returns its shape after its steps.
  auto shape_of = [&](const WeightPart& part) {
    const auto& tensor = stored(part);
    const auto& path = checkpoint_.file(tensor).path();
    const auto type = scalar_type(tensor.dtype);
    if (!type || !at::isFloatingType(*type)) {
      refuse(part.tensor, path,
             "has the type " + tensor.dtype +
                 "; weights must be F32, F16, BF16 or F64. Quantised checkpoints are not supported.");
    }
    try {
      return apply(part, without_data(tensor.shape)).sizes().vec();
    } catch (const c10::Error& error) {
      refuse(part.tensor, path,
             "has the shape " + text_of(tensor.shape) +
                 ", which does not fit the model's configuration: " + error.what_without_backtrace());
    }
  };
  auto check_sum = [&](const std::vector<std::vector<int64_t>>& shapes,
                       const std::vector<int64_t>& expected) {
    int64_t rows = 0;
    bool fits = !expected.empty();
    for (const auto& shape : shapes) {
      fits = fits && shape.size() == expected.size() &&
             std::equal(shape.begin() + 1, shape.end(), expected.begin() + 1);
      fits = fits && !c10::add_overflows(rows, shape[0], &rows);
    }
    return fits && rows == expected[0];
  };
  std::vector<std::vector<int64_t>> shapes;
  for (const auto& part : spec.parts) shapes.push_back(shape_of(part));
  if (!check_sum(shapes, spec.shape)) {
    std::string found;
    for (const auto& shape : shapes) found += (found.empty() ? "" : " + ") + text_of(shape);
    const auto& first = stored(spec.parts[0]);
    refuse(first.name, checkpoint_.file(first).path(),
           "has the shape " + found + " where the model's configuration needs " + text_of(spec.shape) + ".");
  }
  if (!spec.bias.empty() && spec.bias.size() != spec.parts.size()) {
    throw Error("ERR_MODEL_CONFIG", "A weight of the program has another number of parts than its bias.");
  }
  for (size_t i = 0; i < spec.bias.size(); ++i) {
    if (!spec.bias[i]) continue;
    const auto shape = shape_of(*spec.bias[i]);
    if (shape != std::vector<int64_t>{shapes[i][0]}) {
      const auto& tensor = stored(*spec.bias[i]);
      refuse(tensor.name, checkpoint_.file(tensor).path(),
             "has the shape " + text_of(shape) + " where its weight needs [" + std::to_string(shapes[i][0]) +
                 "].");
    }
  }
  const auto element = static_cast<int64_t>(c10::elementSize(dtype_of(spec)));
  return (c10::multiply_integers(spec.shape) + (spec.bias.empty() ? 0 : spec.shape[0])) * element;
}

void WeightReader::copy_in(const WeightPart& part, const at::Tensor& rows) const {
  const auto& tensor = stored(part);
  const auto view = apply(part, aligned(tensor.data));
  if (!view.is_contiguous() || !rows.is_contiguous()) {
    rows.copy_(view);
    return release(tensor);
  }
  const auto from = view.view({-1});
  const auto to = rows.view({-1});
  const auto step = kChunkBytes / static_cast<int64_t>(from.element_size());
  for (int64_t begin = 0; begin < from.numel(); begin += step) {
    const auto chunk = from.slice(0, begin, std::min(begin + step, from.numel()));
    to.slice(0, begin, begin + chunk.numel()).copy_(chunk);
    checkpoint_.file(tensor).release(chunk.const_data_ptr(), chunk.nbytes());
  }
  release(tensor);
}

void WeightReader::release(const StoredTensor& tensor) const {
  checkpoint_.file(tensor).release(tensor.data.const_data_ptr(), tensor.data.nbytes());
}

void WeightReader::assemble(const WeightSpec& spec, const at::Tensor& whole) const {
  int64_t row = 0;
  for (const auto& part : spec.parts) {
    const auto count = apply(part, without_data(stored(part).shape)).size(0);
    copy_in(part, whole.narrow(0, row, count));
    row += count;
  }
}

std::optional<at::Tensor> WeightReader::assemble_bias(const WeightSpec& spec) const {
  if (spec.bias.empty()) return std::nullopt;
  auto whole = at::zeros({spec.shape[0]}, dtype_of(spec));
  int64_t row = 0;
  for (size_t i = 0; i < spec.parts.size(); ++i) {
    const auto count = apply(spec.parts[i], without_data(stored(spec.parts[i]).shape)).size(0);
    if (spec.bias[i]) copy_in(*spec.bias[i], whole.narrow(0, row, count));
    row += count;
  }
  return whole;
}

Weight WeightReader::read(const WeightSpec& spec) const {
  const auto whole = at::empty(spec.shape, dtype_of(spec));
  assemble(spec, whole);
  return {whole, assemble_bias(spec)};
}

void WeightReader::lend(const WeightSpec& spec, const std::function<void(const Weight&)>& use) {
  const auto& first = stored(spec.parts[0]);
  if (spec.parts.size() == 1 && first.data.scalar_type() == dtype_of(spec) && is_aligned(first.data)) {
    const auto view = apply(spec.parts[0], first.data);
    use({view, assemble_bias(spec)});
    return release(first);
  }
  const auto count = c10::multiply_integers(spec.shape);
  if (!scratch_.defined() || scratch_.numel() < count || scratch_.scalar_type() != dtype_of(spec)) {
    scratch_ = at::Tensor();
    scratch_ = at::empty({count}, dtype_of(spec));
  }
  const auto whole = scratch_.narrow(0, 0, count).view(spec.shape);
  assemble(spec, whole);
  use({whole, assemble_bias(spec)});
}

std::optional<at::Tensor> WeightReader::map(const WeightSpec& spec) const {
  const auto& tensor = stored(spec.parts[0]);
  if (spec.parts.size() != 1 || !is_aligned(tensor.data)) return std::nullopt;
  checkpoint_.file(tensor).expect_scattered_reads(tensor.data.const_data_ptr(), tensor.data.nbytes());
  return apply(spec.parts[0], tensor.data);
}

void WeightReader::release(const WeightSpec& spec) const {
  for (const auto& part : spec.parts) release(stored(part));
}

}  // namespace reward_model_score
