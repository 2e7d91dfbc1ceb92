#include "weights/weight_reader.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/util/safe_numerics.h>

#include <algorithm>

#include "base/error.h"

namespace reward_model_score {
namespace {

// Of the file's bytes that are in memory at a time while a tensor is converted.
constexpr uint64_t kChunkBytes = 16 << 20;

// Of numbers that are scaled, what one thread takes at least.
constexpr int64_t kSmallestScaled = 1 << 15;

// Of a tensor that something is added to, what is in memory in float32 at a time.
constexpr int64_t kBlockNumbers = 1 << 20;

std::string text_of(at::IntArrayRef shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

[[noreturn]] void refuse(const std::string& tensor, const std::string& path, const std::string& what) {
  throw Error("ERR_WEIGHTS", "Tensor " + tensor + " of " + path + " " + what,
              {{"tensor", tensor}, {"path", path}});
}

void require_floats(const StoredTensor& tensor, const std::string& path) {
  const auto type = scalar_type(tensor.dtype);
  if (type && at::isFloatingType(*type)) return;
  refuse(tensor.name, path, "has the type " + tensor.dtype + "; weights must be F32, F16, BF16, F64 or F8.");
}

// The last two dimensions of a tensor, of which one block after the other is scaled.
struct Matrix {
  int64_t rows;
  int64_t columns;
};

Matrix matrix_of(const at::Tensor& layout) {
  const int64_t dims = layout.dim();
  return {dims > 1 ? layout.size(dims - 2) : 1, dims > 0 ? layout.size(dims - 1) : 1};
}

int64_t divide_up(int64_t size, int64_t part) { return size / part + (size % part == 0 ? 0 : 1); }

// Of a stack of matrices, whose blocks begin anew with each.
struct Scales {
  int64_t height;
  int64_t columns;
  int64_t block_rows;
  int64_t block_columns;
  const float* values;

  const float* of_row(int64_t row) const {
    const int64_t down = divide_up(height, block_rows), across = divide_up(columns, block_columns);
    return values + (row / height * down + row % height / block_rows) * across;
  }
};

template <typename T>
void multiply_row(const uint8_t* codes, const float* table, const float* factor, const Scales& scales,
                  T* to) {
  for (int64_t column = 0; column < scales.columns; ++factor) {
    const int64_t end = std::min(column + scales.block_columns, scales.columns);
    for (; column < end; ++column) to[column] = static_cast<T>(table[codes[column]] * *factor);
  }
}

// Rows of codes, of which `first` is the first, times their scales: a look at a table of all codes is several
// times as fast as converting them.
void multiply(const at::Tensor& codes, const at::Tensor& table, const Scales& scales, int64_t first,
              const at::Tensor& to) {
  const auto* code = static_cast<const uint8_t*>(codes.const_data_ptr());
  const auto* values = table.const_data_ptr<float>();
  const auto rows = [&](auto* target) {
    const int64_t share = std::max<int64_t>(1, kSmallestScaled / scales.columns);
    at::parallel_for(0, codes.size(0), share, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        multiply_row(code + row * scales.columns, values, scales.of_row(first + row), scales,
                     target + row * to.stride(0));
      }
    });
  };
  if (to.scalar_type() == at::kBFloat16) return rows(to.mutable_data_ptr<at::BFloat16>());
  if (to.scalar_type() == at::kHalf) return rows(to.mutable_data_ptr<at::Half>());
  rows(to.mutable_data_ptr<float>());
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

// Memory of `scratch`, which grows where it is too small.
at::Tensor within(at::Tensor& scratch, at::IntArrayRef shape, at::ScalarType dtype) {
  const auto bytes = c10::multiply_integers(shape) * static_cast<int64_t>(c10::elementSize(dtype));
  if (!scratch.defined() || scratch.numel() < bytes) {
    scratch = at::Tensor();
    scratch = at::empty({bytes}, at::kByte);
  }
  return scratch.narrow(0, 0, bytes).view(dtype).view(shape);
}

}  // namespace

const StoredTensor& WeightReader::stored(const std::string& name) const {
  const auto* tensor = checkpoint_.find(name);
  if (tensor == nullptr) {
    throw Error("ERR_WEIGHTS",
                "The checkpoint has no tensor " + name + ", which the model's configuration asks for.",
                {{"tensor", name}});
  }
  return *tensor;
}

int64_t WeightReader::check(const WeightSpec& spec) const {
  if (spec.parts.empty()) throw Error("ERR_MODEL_CONFIG", "A weight of the program has no parts.");
  // Checks one part and returns its shape after its steps.
  auto shape_of = [&](const WeightPart& part) {
    const auto& tensor = stored(part);
    const auto& path = checkpoint_.file(tensor).path();
    require_floats(tensor, path);
    if (part.scale) check_scale(part);
    if (part.delta) check_delta(part);
    try {
      return apply(part, tensor.layout).sizes().vec();
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

void WeightReader::check_scale(const WeightPart& part) const {
  const auto& weight = stored(part);
  const auto& layout = weight.layout;
  if (!c10::isFloat8Type(layout.scalar_type())) {
    refuse(weight.name, checkpoint_.file(weight).path(),
           "has the type " + weight.dtype + " and a scale; only F8 is scaled.");
  }
  const auto* factors = checkpoint_.find(part.scale->tensor);
  if (factors == nullptr) {
    throw Error("ERR_WEIGHTS",
                "The checkpoint has no tensor " + part.scale->tensor + ", which scales " + part.tensor + ".",
                {{"tensor", part.scale->tensor}});
  }
  const auto& path = checkpoint_.file(*factors).path();
  require_floats(*factors, path);
  const auto [rows, columns] = matrix_of(layout);
  const auto& [name, block_rows, block_columns] = *part.scale;
  const bool fits = layout.numel() > 0 && block_rows > 0 && block_columns > 0 &&
                    factors->layout.numel() == layout.numel() / (rows * columns) *
                                                   divide_up(rows, block_rows) *
                                                   divide_up(columns, block_columns) &&
                    (layout.dim() <= 2 || layout.is_contiguous());
  if (fits) return;
  refuse(name, path,
         "has the shape " + text_of(factors->shape) + " and cannot scale blocks of " +
             text_of({block_rows, block_columns}) + " of " + part.tensor + ", which has the shape " +
             text_of(layout.sizes()) + ".");
}

void WeightReader::check_delta(const WeightPart& part) const {
  const auto& delta = *part.delta;
  const auto& shape = stored(part).shape;
  const auto require = [&](const std::string& name, const std::vector<int64_t>& wanted) {
    const auto& tensor = stored(name);
    const auto& path = checkpoint_.file(tensor).path();
    require_floats(tensor, path);
    if (tensor.shape != wanted) {
      refuse(name, path,
             "has the shape " + text_of(tensor.shape) + " where what is added to " + part.tensor +
                 ", which has the shape " + text_of(shape) + ", needs " + text_of(wanted) + ".");
    }
  };
  if (!delta.a && !part.scale) return require(delta.b, shape);
  if (!delta.a) refuse(part.tensor, checkpoint_.file(stored(part)).path(), "is a vector with a scale.");
  const auto& a = stored(*delta.a);
  const int64_t rank = a.shape.empty() ? 0 : a.shape[0];
  if (shape.size() != 2 || rank < 1) {
    refuse(a.name, checkpoint_.file(a).path(),
           "has the shape " + text_of(a.shape) + " and can be no factor of what is added to " + part.tensor +
               ", which has the shape " + text_of(shape) + ".");
  }
  const int64_t out = shape[delta.transposed ? 1 : 0], in = shape[delta.transposed ? 0 : 1];
  require(*delta.a, {rank, in});
  require(delta.b, {out, rank});
  if (delta.magnitude) require(*delta.magnitude, {out});
}

Weight WeightReader::read(const WeightSpec& spec) {
  const auto whole = at::empty(spec.shape, dtype_of(spec));
  read_rows(spec, 0, whole);
  return {whole, read_bias(spec, dtype_of(spec))};
}

void WeightReader::lend(const WeightSpec& spec, at::ScalarType dtype,
                        const std::function<void(const Weight&)>& use) {
  const auto whole = within(scratch_, spec.shape, dtype);
  read_rows(spec, 0, whole);
  use({whole, read_bias(spec, dtype)});
}

void WeightReader::read_rows(const WeightSpec& spec, int64_t begin, const at::Tensor& rows) {
  const int64_t end = begin + rows.size(0);
  int64_t first = 0;
  for (const auto& part : spec.parts) {
    const int64_t last = first + apply(part, stored(part).layout).size(0);
    const int64_t from = std::max(begin, first), to = std::min(end, last);
    if (from < to) read_part(part, from - first, rows.narrow(0, from - begin, to - from));
    first = last;
  }
}

std::optional<at::Tensor> WeightReader::read_bias(const WeightSpec& spec, at::ScalarType dtype) {
  if (spec.bias.empty()) return std::nullopt;
  auto whole = at::zeros({spec.shape[0]}, dtype);
  int64_t row = 0;
  for (size_t i = 0; i < spec.parts.size(); ++i) {
    const auto count = apply(spec.parts[i], stored(spec.parts[i]).layout).size(0);
    if (spec.bias[i]) read_part(*spec.bias[i], 0, whole.narrow(0, row, count));
    row += count;
  }
  return whole;
}

void WeightReader::read_part(const WeightPart& part, int64_t begin, const at::Tensor& rows) {
  if (part.delta) return read_merged(part, begin, rows);
  if (part.scale) return read_scaled(part, begin, rows);
  const auto& tensor = stored(part);
  const auto view = apply(part, tensor.layout);
  if (view.is_alias_of(tensor.layout)) {
    return copy_elements(tensor, view.narrow(0, begin, rows.size(0)), rows);
  }
  // The elements are in an order that no strides have in the file. Flattening is the step that does that, or
  // reshaping a tensor that is itself a view.
  WeightPart steps = part;
  steps.flatten.reset();
  const auto unflattened = apply(steps, tensor.layout);
  auto whole = unflattened.is_alias_of(tensor.layout)
                   ? read_elements(tensor, unflattened)
                   : apply(steps, read_elements(tensor, tensor.layout)).contiguous();
  if (part.flatten) whole = whole.view(*part.flatten);
  rows.copy_(whole.narrow(0, begin, rows.size(0)));
}

// Only the rows that are wanted where they are rows of the tensor, else with the whole tensor in memory.
void WeightReader::read_scaled(const WeightPart& part, int64_t begin, const at::Tensor& rows) {
  const auto& layout = stored(part).layout;
  const auto view = apply(part, layout);
  const int64_t columns = matrix_of(layout).columns;
  const bool are_rows = layout.dim() >= 2 && view.dim() >= 2 && layout.is_contiguous() &&
                        view.is_alias_of(layout) && view.is_contiguous() && view.size(-1) == columns;
  if (are_rows) {
    const int64_t first = (view.storage_offset() + begin * view.stride(0)) / columns;
    return scale_rows(part, first, rows.view({-1, columns}));
  }
  const auto whole = at::empty(layout.sizes(), at::kFloat);
  scale_rows(part, 0, whole.view({-1, columns}));
  rows.copy_(apply(part, whole).narrow(0, begin, rows.size(0)));
}

// Rows of the tensor as [rows, columns], whatever it has in front of its last dimension.
void WeightReader::scale_rows(const WeightPart& part, int64_t begin, const at::Tensor& rows) {
  const auto& tensor = stored(part);
  const auto& [name, block_rows, block_columns] = *part.scale;
  const auto [height, columns] = matrix_of(tensor.layout);
  const auto& factors = *checkpoint_.find(name);
  const auto values = read_elements(factors, factors.layout).to(at::kFloat).contiguous();
  const Scales scales{height, columns, block_rows, block_columns, values.const_data_ptr<float>()};
  const auto type = tensor.layout.scalar_type();
  const auto table = at::arange(256, at::kByte).view(type).to(at::kFloat);
  const auto layout = tensor.layout.reshape({-1, columns});
  const int64_t step = std::max<int64_t>(1, static_cast<int64_t>(kChunkBytes) / columns);
  for (int64_t from = 0; from < rows.size(0); from += step) {
    const int64_t count = std::min(step, rows.size(0) - from);
    const auto codes = within(codes_, {count, columns}, type);
    copy_elements(tensor, layout.narrow(0, begin + from, count), codes);
    multiply(codes, table, scales, begin + from, rows.narrow(0, from, count));
  }
}

// A block at a time where the part's rows are those of the tensor, else with the whole tensor in memory.
void WeightReader::read_merged(const WeightPart& part, int64_t begin, const at::Tensor& rows) {
  const auto& factors = factors_of(part);
  const bool same_rows =
      !part.reshape && !part.transpose && !part.flatten && (!part.slice || part.slice->dim == 0);
  if (same_rows) return merge_rows(part, factors, begin + (part.slice ? part.slice->start : 0), rows);
  const auto whole = at::empty(stored(part).layout.sizes(), at::kFloat);
  merge_rows(part, factors, 0, whole);
  rows.copy_(apply(part, whole).narrow(0, begin, rows.size(0)));
}

void WeightReader::merge_rows(const WeightPart& part, const Factors& factors, int64_t begin,
                              const at::Tensor& rows) {
  const auto& tensor = stored(part);
  const auto& layout = tensor.layout;
  // Products are of whole blocks that begin where the tensor does: their bits do not depend on the pieces
  // that somebody reads.
  const int64_t width = c10::multiply_integers(layout.sizes().slice(1));
  const int64_t height = std::max<int64_t>(1, kBlockNumbers / std::max<int64_t>(1, width));
  const int64_t end = begin + rows.size(0);
  for (int64_t top = begin / height * height; top < end; top += height) {
    const int64_t bottom = std::min(top + height, layout.size(0));
    const int64_t from = std::max(top, begin), to = std::min(bottom, end);
    auto shape = layout.sizes().vec();
    shape[0] = to - from;
    const auto block = within(sum_, shape, at::kFloat);
    if (part.scale) {
      scale_rows(part, from, block);
    } else {
      copy_elements(tensor, layout.narrow(0, from, to - from), block);
    }
    if (factors.right.defined()) {
      auto product = within(product_, {bottom - top, width}, at::kFloat);
      at::mm_out(product, factors.left.narrow(0, top, bottom - top), factors.right);
      // Not as the alpha of add_: PEFT rounds the product before the sum.
      block.add_(product.narrow(0, from - top, to - from).mul_(factors.scale));
    } else {
      block.add_(factors.left.narrow(0, from, to - from).mul(factors.scale));
    }
    if (factors.row_norms) {
      const auto norms = at::linalg_vector_norm(block, 2, at::IntArrayRef{1});
      block.mul_(factors.row_norms->narrow(0, from, to - from).div(norms).unsqueeze(1));
    }
    if (factors.column_factors) block.mul_(*factors.column_factors);
    rows.narrow(0, from - begin, to - from).copy_(block);
  }
}

const WeightReader::Factors& WeightReader::factors_of(const WeightPart& part) {
  const auto& delta = *part.delta;
  if (factors_ && factors_->tensor == part.tensor && factors_->b == delta.b) return *factors_;
  factors_.reset();
  Factors factors{.tensor = part.tensor, .b = delta.b, .scale = delta.scale};
  const auto b = read_float(stored(delta.b));
  factors.left = b;
  if (delta.a) {
    const auto a = read_float(stored(*delta.a));
    factors.left = delta.transposed ? a.t().contiguous() : b;
    factors.right = delta.transposed ? b.t().contiguous() : a;
  }
  if (delta.magnitude) {
    const auto magnitude = read_float(stored(*delta.magnitude));
    if (delta.transposed) {
      factors.column_factors = magnitude.div(column_norms(part, factors));
    } else {
      factors.row_norms = magnitude;
    }
  }
  return factors_.emplace(std::move(factors));
}

at::Tensor WeightReader::column_norms(const WeightPart& part, const Factors& factors) {
  const auto& layout = stored(part).layout;
  const int64_t rows = layout.size(0), columns = layout.size(1);
  auto squares = at::zeros({columns}, at::kDouble);
  const int64_t height = std::max<int64_t>(1, kBlockNumbers / std::max<int64_t>(1, columns));
  for (int64_t top = 0; top < rows; top += height) {
    const auto block = at::empty({std::min(height, rows - top), columns}, at::kFloat);
    merge_rows(part, factors, top, block);
    squares.add_(block.to(at::kDouble).square_().sum(0));
  }
  return squares.sqrt_().to(at::kFloat);
}

at::Tensor WeightReader::read_float(const StoredTensor& tensor) {
  const auto values = at::empty(tensor.layout.sizes(), at::kFloat);
  copy_elements(tensor, tensor.layout, values);
  return values;
}

at::Tensor WeightReader::read_elements(const StoredTensor& tensor, const at::Tensor& layout) {
  const auto elements = at::empty(layout.sizes(), layout.scalar_type());
  copy_elements(tensor, layout, elements);
  return elements;
}

// Straight to where they belong if they are there as they are in the file, else a limited number of bytes at
// a time.
void WeightReader::copy_elements(const StoredTensor& tensor, const at::Tensor& layout, const at::Tensor& to) {
  const auto& file = checkpoint_.file(tensor);
  const auto element = static_cast<uint64_t>(layout.element_size());
  const uint64_t begin = tensor.begin + static_cast<uint64_t>(layout.storage_offset()) * element;
  if (layout.scalar_type() == to.scalar_type() && layout.is_contiguous() && to.is_contiguous()) {
    return file.read(begin, to.mutable_data_ptr(), to.nbytes());
  }
  const uint64_t extent = extent_of(layout);
  if (extent * element <= kChunkBytes) {
    const auto chunk = within(chunk_, {static_cast<int64_t>(extent)}, layout.scalar_type());
    file.read(begin, chunk.mutable_data_ptr(), chunk.nbytes());
    to.copy_(chunk.as_strided(layout.sizes(), layout.strides()));
    return;
  }
  int64_t widest = 0;
  for (int64_t dim = 0; dim < layout.dim(); ++dim) {
    if ((layout.size(dim) - 1) * layout.stride(dim) > (layout.size(widest) - 1) * layout.stride(widest)) {
      widest = dim;
    }
  }
  const int64_t size = layout.size(widest), half = size / 2;
  copy_elements(tensor, layout.narrow(widest, 0, half), to.narrow(widest, 0, half));
  copy_elements(tensor, layout.narrow(widest, half, size - half), to.narrow(widest, half, size - half));
}

std::optional<WeightReader::RowsInFile> WeightReader::find_rows(const WeightSpec& spec) const {
  const auto& tensor = stored(spec.parts[0]);
  const auto layout = apply(spec.parts[0], tensor.layout);
  // What has to be computed before it is a number of the model, or is of a type that nothing computes with.
  const auto& part = spec.parts[0];
  const bool numbers = !part.scale && !part.delta && layout.element_size() > 1;
  const bool whole = spec.parts.size() == 1 && numbers && layout.is_alias_of(tensor.layout);
  if (!whole || layout.dim() != 2 || (layout.size(1) > 1 && layout.stride(1) != 1)) return std::nullopt;
  return RowsInFile{tensor, layout};
}

}  // namespace reward_model_score
