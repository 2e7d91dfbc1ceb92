#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "ops/dispatch.h"
#include "ops/parallel.h"
#include "ops/segments.h"

namespace reward_model_score {
namespace {

using OptionalTensor = std::optional<at::Tensor>;
using cpu::kBlock;

int64_t blocks_for(int64_t count) { return (count + kBlock - 1) / kBlock; }

/** Rows `from + first`, `from + first + 1`, … up to `end`, that fill a block; what is left is filled with the
 * last. */
int64_t consecutive(int64_t from, int64_t first, int64_t end, int32_t* tokens) {
  const int64_t count = std::min(kBlock, end - first);
  for (int64_t i = 0; i < kBlock; ++i)
    tokens[i] = static_cast<int32_t>(from + first + std::min(i, count - 1));
  return count;
}

/** A table [columns, heads * head_dim] in packed blocks of its columns, head by head. */
template <class T>
struct PackedTable {
  PackedTable(const OptionalTensor& given, int64_t heads, int64_t head_dim) {
    if (!given) return;
    const at::Tensor table = given->contiguous();
    const cpu::Kernels<T>& kernels = cpu::kernels<T>();
    const int64_t columns = table.size(0), bytes = kernels.block_bytes(head_dim);
    blocks = blocks_for(columns);
    memory = at::empty({heads * blocks * bytes}, at::kByte);
    starts.resize(heads * blocks);
    for (size_t i = 0; i < starts.size(); ++i) starts[i] = elements<char>(memory) + i * bytes;
    for_each_item(heads * blocks, [&](int64_t item) {
      const T* rows = elements<T>(table) + item / blocks * head_dim;
      int32_t tokens[kBlock];
      const int64_t count = consecutive(0, item % blocks * kBlock, columns, tokens);
      kernels.pack(rows, rows, heads * head_dim, tokens, count, head_dim, const_cast<char*>(starts[item]));
    });
  }

  /** From one of its blocks on. */
  const char* const* of(int64_t head, int64_t block) const { return starts.data() + head * blocks + block; }

  int64_t blocks = 0;
  at::Tensor memory;
  std::vector<const char*> starts;
};

/** The columns of the distances within a row, and which blocks of a table hold them. */
struct RowColumns {
  RowColumns(const int32_t* columns, int64_t reach, int64_t length) : zero(length - 1) {
    // A block of keys may go on behind the row.
    by_offset.resize(zero + length + kBlock);
    for (int64_t offset = -zero; offset < length; ++offset)
      by_offset[offset + zero] = columns[std::clamp(-offset, -reach, reach) + reach];
    const auto [least, most] = std::minmax_element(by_offset.begin(), by_offset.end() - kBlock);
    first_block = *least / kBlock;
    block_count = *most / kBlock + 1 - first_block;
    for (auto column = by_offset.begin(); column != by_offset.end() - kBlock; ++column)
      *column -= static_cast<int32_t>(first_block * kBlock);
  }

  int64_t zero;
  std::vector<int32_t> by_offset;
  int64_t first_block, block_count;
};

struct Shape {
  int64_t heads, head_dim;
  float scale;
};

template <class T>
class RowAttention {
 public:
  RowAttention(const at::Tensor& qkv, const Shape& shape, const OptionalTensor& keys,
               const OptionalTensor& queries, const OptionalTensor& bias, at::Tensor& out)
      : qkv_(elements<T>(qkv)),
        stride_(qkv.size(1)),
        shape_(shape),
        keys_(keys, shape.heads, shape.head_dim),
        queries_(queries, shape.heads, shape.head_dim),
        bias_(bias ? *bias / shape.scale : at::Tensor()),
        out_(elements<T>(out)) {}

  /** One head of one row, which needs memory for its blocks and for a product of every token with every
   * column. */
  void run(const Segment& row, int64_t head, const RowColumns& columns) const {
    const cpu::Kernels<T>& kernels = cpu::kernels<T>();
    const int64_t d = shape_.head_dim, length = row.length, count = blocks_for(length);
    const int64_t bytes = kernels.block_bytes(d), width = columns.block_count * kBlock;
    const T* queries = qkv_ + row.start * stride_ + head * d;
    const T* keys = queries + shape_.heads * d;
    const T* values = keys + shape_.heads * d;
    const at::Tensor scratch = at::empty({kernels.scratch_bytes(d)}, at::kByte);
    const at::Tensor packed = at::empty({count * bytes}, at::kByte);
    const at::Tensor of_queries = at::empty({keys_.blocks > 0 ? kBlock * width : 0}, at::kFloat);
    const at::Tensor of_keys = at::empty({queries_.blocks > 0 ? count * kBlock * width : 0}, at::kFloat);

    std::vector<const char*> blocks(count);
    for (int64_t b = 0; b < count; ++b) {
      char* block = elements<char>(packed) + b * bytes;
      blocks[b] = block;
      int32_t tokens[kBlock];
      const int64_t own = consecutive(0, b * kBlock, length, tokens);
      kernels.pack(keys, values, stride_, tokens, own, d, block);
      if (queries_.blocks > 0) {
        kernels.products(keys + b * kBlock * stride_, stride_, own, d, queries_.of(head, columns.first_block),
                         columns.block_count, elements<float>(of_keys) + b * kBlock * width,
                         elements<char>(scratch));
      }
    }
    const cpu::Distances distances{
        .width = width,
        .columns = columns.by_offset.data() + columns.zero,
        .of_queries = keys_.blocks > 0 ? elements<float>(of_queries) : nullptr,
        .of_keys = queries_.blocks > 0 ? elements<float>(of_keys) : nullptr,
        .bias = bias_.defined() ? elements<float>(bias_) + head * bias_.size(1) + columns.first_block * kBlock
                                : nullptr};
    for (int64_t first = 0; first < length; first += kBlock) {
      const int64_t rows = std::min(kBlock, length - first);
      if (keys_.blocks > 0) {
        kernels.products(queries + first * stride_, stride_, rows, d, keys_.of(head, columns.first_block),
                         columns.block_count, elements<float>(of_queries), elements<char>(scratch));
      }
      kernels.attend({.query = queries + first * stride_,
                      .query_stride = stride_,
                      .rows = rows,
                      .heads = 1,
                      .head_dim = d,
                      .position = first,
                      .end = length,
                      .blocks = blocks.data(),
                      .block_count = count,
                      .first_block = 0,
                      .scale = shape_.scale,
                      .causal = false,
                      .window = 0,
                      .softcap = 0,
                      .out = out_ + ((row.start + first) * shape_.heads + head) * d,
                      .out_stride = shape_.heads * d,
                      .scratch = elements<char>(scratch),
                      .distances = &distances});
    }
  }

 private:
  const T* const qkv_;
  const int64_t stride_;
  const Shape shape_;
  const PackedTable<T> keys_, queries_;
  const at::Tensor bias_;
  T* const out_;
};

void check_table(const char* name, const OptionalTensor& table, const at::Tensor& qkv, int64_t columns) {
  TORCH_CHECK(!table || (table->dim() == 2 && table->size(0) >= columns &&
                         table->size(1) * 3 == qkv.size(1) && table->scalar_type() == qkv.scalar_type()),
              "relative_attention: ", name, " is ", table ? table->sizes() : at::IntArrayRef(), " for ",
              columns, " columns and qkv ", qkv.sizes());
}

at::Tensor relative_attention(const at::Tensor& input, const at::Tensor& table, int64_t heads,
                              int64_t head_dim, double scale, const at::Tensor& columns,
                              const OptionalTensor& keys, const OptionalTensor& queries,
                              const OptionalTensor& bias) {
  const at::Tensor qkv = input.contiguous();
  check_attention(qkv, {heads, heads, head_dim, scale, false, 0, 0});
  const std::vector<Segment> segments = read_segments(table, qkv.size(0), /*causal=*/false);
  TORCH_CHECK(columns.dim() == 1 && columns.scalar_type() == at::kInt && columns.size(0) % 2 == 1,
              "relative_attention: columns must be int32 [2 R + 1], not ", columns.scalar_type(), " ",
              columns.sizes());
  const at::Tensor column = columns.contiguous();
  const int32_t* const first = column.const_data_ptr<int32_t>();
  const auto [least, most] = std::minmax_element(first, first + column.numel());
  TORCH_CHECK(*least >= 0, "relative_attention: a distance has column ", *least);
  const int64_t width = *most + 1, reach = column.numel() / 2;
  check_table("keys", keys, qkv, width);
  check_table("queries", queries, qkv, width);
  TORCH_CHECK(!bias || (bias->dim() == 2 && bias->size(0) == heads && bias->size(1) >= width),
              "relative_attention: bias is ", bias ? bias->sizes() : at::IntArrayRef(), " for ", heads,
              " heads and ", width, " columns");

  // Rows of one length have the same columns; the longest come first.
  std::vector<size_t> order(segments.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return segments[a].length > segments[b].length; });
  std::vector<RowColumns> by_length;
  std::vector<size_t> columns_of(segments.size());
  for (size_t i = 0; i < order.size(); ++i) {
    const int64_t length = segments[order[i]].length;
    if (by_length.empty() || by_length.back().zero != length - 1)
      by_length.emplace_back(first, reach, length);
    columns_of[i] = by_length.size() - 1;
  }

  at::Tensor out = at::empty({qkv.size(0), heads * head_dim}, qkv.options());
  const OptionalTensor biases = bias ? OptionalTensor(bias->to(at::kFloat).contiguous()) : std::nullopt;
  dispatch("relative_attention", qkv, [&](auto element) {
    const RowAttention<decltype(element)> attention(qkv, {heads, head_dim, static_cast<float>(scale)}, keys,
                                                    queries, biases, out);
    for_each_item(static_cast<int64_t>(order.size()) * heads, [&](int64_t item) {
      const int64_t row = item / heads;
      attention.run(segments[order[row]], item % heads, by_length[columns_of[row]]);
    });
  });
  return out;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(reward_model_score, library) {
  library.def(
      "relative_attention(Tensor qkv, Tensor segments, int heads, int head_dim, float scale, Tensor columns, "
      "Tensor? keys, Tensor? queries, Tensor? bias) -> Tensor");
}

TORCH_LIBRARY_IMPL(reward_model_score, CPU, library) {
  library.impl("relative_attention", relative_attention);
}

}  // namespace reward_model_score
