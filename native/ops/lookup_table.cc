#include "ops/lookup_table.h"

#include <ATen/ops/embedding.h>
#include <torch/library.h>

namespace reward_model_score {
namespace {

class TableInMemory : public LookupTable {
 public:
  explicit TableInMemory(at::Tensor table) : table_(std::move(table)) {}
  at::Tensor rows(const at::Tensor& ids) const override { return at::embedding(table_, ids); }
  int64_t bytes() const override { return static_cast<int64_t>(table_.nbytes()); }

 private:
  const at::Tensor table_;
};

at::Tensor lookup(const c10::intrusive_ptr<LookupTable>& table, const at::Tensor& ids) {
  return table->rows(ids);
}

}  // namespace

c10::intrusive_ptr<LookupTable> table_in_memory(const at::Tensor& table) {
  return c10::make_intrusive<TableInMemory>(table);
}

TORCH_LIBRARY_FRAGMENT(reward_model_score, library) {
  library.class_<LookupTable>("LookupTable");
  library.def("lookup(__torch__.torch.classes.reward_model_score.LookupTable table, Tensor ids) -> Tensor");
}

TORCH_LIBRARY_IMPL(reward_model_score, CPU, library) { library.impl("lookup", lookup); }

}  // namespace reward_model_score
