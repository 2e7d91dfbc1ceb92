#include "run/table_in_file.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include "base/failure.h"

namespace reward_model_score {
namespace {

// Below it another thread costs more than it reads.
constexpr int64_t kSmallestShare = 64;

class TableInFile : public LookupTable {
 public:
  TableInFile(std::shared_ptr<const Checkpoint> checkpoint, const WeightReader::RowsInFile& rows)
      : checkpoint_(std::move(checkpoint)), tensor_(rows.tensor), layout_(rows.layout) {}

  at::Tensor rows(const at::Tensor& ids) const override {
    const auto indices = ids.contiguous();
    const auto* index = indices.const_data_ptr<int64_t>();
    for (int64_t i = 0; i < indices.numel(); ++i) {
      TORCH_CHECK(index[i] >= 0 && index[i] < layout_.size(0), "row ", index[i], " of a table of ",
                  layout_.size(0));
    }
    auto found = at::empty({indices.numel(), layout_.size(1)}, layout_.scalar_type());
    const auto bytes = static_cast<size_t>(layout_.size(1) * layout_.element_size());
    auto* to = static_cast<char*>(found.mutable_data_ptr());
    past_interpreter([&] {
      at::parallel_for(0, indices.numel(), kSmallestShare, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) read_row(index[i], to + i * bytes, bytes);
      });
    });
    return found;
  }

  int64_t bytes() const override { return 0; }

 private:
  void read_row(int64_t row, char* to, size_t bytes) const {
    const auto element = layout_.storage_offset() + row * layout_.stride(0);
    const auto begin = tensor_.begin + static_cast<uint64_t>(element * layout_.element_size());
    checkpoint_->file(tensor_).read(begin, to, bytes);
  }

  const std::shared_ptr<const Checkpoint> checkpoint_;
  const StoredTensor& tensor_;
  const at::Tensor layout_;
};

}  // namespace

c10::intrusive_ptr<LookupTable> table_in_file(std::shared_ptr<const Checkpoint> checkpoint,
                                              const WeightReader::RowsInFile& rows) {
  return c10::make_intrusive<TableInFile>(std::move(checkpoint), rows);
}

}  // namespace reward_model_score
