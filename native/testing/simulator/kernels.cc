// What tensors on a simulated device can do: a few kernels of its own for memory, views and copies, and the
// CPU's kernels, on the same memory, for all the rest.
#include "testing/simulator/kernels.h"

#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/NativeFunctions.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "testing/simulator/devices.h"
#include "testing/simulator/memory.h"
#include "testing/simulator/streams.h"

namespace reward_model_score::simulator {

bool is_simulated(const at::Tensor& tensor) { return tensor.defined() && tensor.device().type() == kType; }

at::Tensor on_cpu(const at::Tensor& tensor) {
  if (!is_simulated(tensor)) return tensor;
  return at::from_blob(
      tensor.mutable_data_ptr(), tensor.sizes(), tensor.strides(), [](void*) {},
      at::TensorOptions().dtype(tensor.scalar_type()), at::Device(at::kCPU));
}

namespace {

// By what is in it: the type of a list that TorchScript made of optional tensors is no sure sign.
bool is_tensor_list(const c10::IValue& value) {
  if (!value.isList()) return false;
  const auto items = value.toListRef();
  return std::any_of(items.begin(), items.end(), [](const c10::IValue& item) { return item.isTensor(); });
}

constexpr c10::DispatchKeySet kKeys(c10::DispatchKey::PrivateUse1);

// Memory and views.

c10::Device device_or_current(std::optional<c10::Device> device) {
  const c10::Device current = c10::impl::getDeviceGuardImpl(kType)->getDevice();
  return device && device->has_index() ? *device : current;
}

at::Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
                 std::optional<at::Device> device, std::optional<bool>,
                 std::optional<at::MemoryFormat> format) {
  const c10::DeviceGuard guard(device_or_current(device));
  return at::detail::empty_generic(size, device_allocator(), kKeys, c10::dtype_or_default(dtype), format);
}

at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride, std::optional<at::ScalarType> dtype,
                         std::optional<at::Layout>, std::optional<at::Device> device, std::optional<bool>) {
  const c10::DeviceGuard guard(device_or_current(device));
  return at::detail::empty_strided_generic(size, stride, device_allocator(), kKeys,
                                           c10::dtype_or_default(dtype));
}

const at::Tensor& resize_(const at::Tensor& self, at::IntArrayRef size,
                          std::optional<at::MemoryFormat> format) {
  const c10::DeviceGuard guard(self.device());
  return at::native::resize_(self, size, format);
}

// Copies.

void copy_now(const at::Tensor& to, const at::Tensor& from) {
  const at::AutoDispatchBelowADInplaceOrView below;
  on_cpu(to).copy_(on_cpu(from));
}

at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool non_blocking) {
  for (const at::Tensor* tensor : {&from, &to}) {
    if (!is_simulated(*tensor)) continue;
    check_working(tensor->device().index());
    // A copy waits its turn behind what its stream has to do, on both sides.
    finish(current_stream(tensor->device().index()));
  }
  const auto bytes = static_cast<int64_t>(to.nbytes());
  if (!is_simulated(to)) {
    count(from.device().index(), [&](Counters& counters) { counters.device_to_host += bytes; });
    copy_now(to, from);
  } else if (is_simulated(from)) {
    if (from.device() != to.device()) {
      count(to.device().index(), [&](Counters& counters) { counters.from_devices += bytes; });
    }
    copy_now(to, from);
  } else {
    const bool later = non_blocking && is_pinned(from.storage().data()) && from.dtype() == to.dtype();
    count(to.device().index(), [&](Counters& counters) {
      counters.host_to_device += bytes;
      if (later) counters.asynchronous += bytes;
    });
    if (later) {
      submit(current_stream(to.device().index()), [to, from] { copy_now(to, from); });
    } else {
      copy_now(to, from);
    }
  }
  return to;
}

at::Tensor copy_from_and_resize(const at::Tensor& from, const at::Tensor& to) {
  to.resize_(from.sizes());
  return copy_from(from, to, /*non_blocking=*/false);
}

// A number that the host asks for.
at::Scalar local_scalar(const at::Tensor& self) {
  const int index = self.device().index();
  check_working(index);
  finish(current_stream(index));
  count(index,
        [&](Counters& counters) { counters.device_to_host += static_cast<int64_t>(self.element_size()); });
  const at::AutoDispatchBelowADInplaceOrView below;
  return on_cpu(self).item();
}

// All other operations.

class Call {
 public:
  Call(const c10::OperatorHandle& op, torch::jit::Stack* stack) : op_(op), stack_(stack) {}

  void run() {
    TORCH_CHECK_NOT_IMPLEMENTED(op_.schema().operator_name().getNamespace() == "aten", op_.schema().name(),
                                " has no kernel for simulated devices.");
    const auto arguments = torch::jit::last(*stack_, op_.schema().arguments().size());
    for (const c10::IValue& argument : arguments) find_device(argument);
    check_host_tensors(arguments);
    TORCH_CHECK(device_, op_.schema().name(), " names no simulated device.");
    begin_operation(*device_);
    finish(current_stream(*device_));

    given_.assign(arguments.begin(), arguments.end());
    const size_t first = stack_->size() - given_.size();
    for (size_t i = 0; i < given_.size(); ++i) (*stack_)[first + i] = to_cpu(given_[i], is_written(i));
    std::vector<c10::IValue> lent(stack_->begin() + static_cast<int64_t>(first), stack_->end());
    {
      const at::AutoDispatchBelowADInplaceOrView below;
      op_.callBoxed(stack_);
    }
    for (size_t i = 0; i < given_.size(); ++i)
      if (is_written(i)) write_back(lent[i], given_[i]);
    const auto returns = torch::jit::last(*stack_, op_.schema().returns().size());
    const size_t first_return = stack_->size() - returns.size();
    for (size_t i = 0; i < returns.size(); ++i) {
      (*stack_)[first_return + i] = to_device((*stack_)[first_return + i], op_.schema().returns()[i]);
    }
  }

 private:
  void use(const at::Tensor& tensor) {
    if (is_simulated(tensor)) use(tensor.device());
  }
  void use(c10::Device device) {
    if (device.type() != kType) return;
    const int index = device_or_current(device).index();
    TORCH_CHECK(!device_ || *device_ == index,
                "Expected all tensors to be on the same device, but found at least two devices, sim:",
                *device_, " and sim:", index, ", in ", op_.schema().name());
    device_ = index;
  }
  void find_device(const c10::IValue& value) {
    if (value.isTensor()) use(value.toTensor());
    if (value.isDevice()) use(value.toDevice());
    if (is_tensor_list(value))
      for (const c10::IValue& item : value.toListRef()) find_device(item);
  }

  // As on a GPU, where a tensor without dimensions counts as a number.
  void check_host_tensors(at::ArrayRef<c10::IValue> values) const {
    for (const c10::IValue& value : values) {
      if (is_tensor_list(value)) check_host_tensors(value.toListRef());
      if (!value.isTensor() || !value.toTensor().defined()) continue;
      const at::Tensor& tensor = value.toTensor();
      TORCH_CHECK(is_simulated(tensor) || tensor.dim() == 0,
                  "Expected all tensors to be on the same device, but found at least two devices, sim:",
                  device_.value_or(0), " and ", tensor.device(), ", in ", op_.schema().name());
    }
  }

  bool is_written(size_t argument) const {
    const c10::AliasInfo* alias = op_.schema().arguments()[argument].alias_info();
    return alias != nullptr && alias->isWrite();
  }

  c10::IValue to_cpu(const c10::IValue& value, bool written) {
    if (value.isDevice() && value.toDevice().type() == kType) return c10::Device(c10::kCPU);
    if (is_tensor_list(value)) {
      const auto items = value.toListRef();
      c10::impl::GenericList list(value.toList().elementType());
      for (const c10::IValue& item : items) list.push_back(to_cpu(item, written));
      return list;
    }
    if (!value.isTensor() || !is_simulated(value.toTensor())) return value;
    const at::Tensor& tensor = value.toTensor();
    // Memory that is lent cannot grow, which is what an operation wants of an empty tensor for its result.
    const bool grows = written && tensor.numel() == 0;
    const at::Tensor cpu =
        grows ? at::empty(tensor.sizes(), at::TensorOptions().dtype(tensor.scalar_type())) : on_cpu(tensor);
    originals_.emplace(cpu.unsafeGetTensorImpl(), tensor);
    return cpu;
  }

  static void write_back(const c10::IValue& lent, const c10::IValue& given) {
    if (!given.isTensor() || !is_simulated(given.toTensor())) return;
    const at::Tensor &from = lent.toTensor(), &to = given.toTensor();
    if (from.const_data_ptr() == to.const_data_ptr()) return;
    to.resize_(from.sizes());
    copy_now(to, from);
  }

  c10::IValue to_device(const c10::IValue& value, const c10::Argument& declared) const {
    if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const c10::IValue& item : value.toListRef()) list.push_back(to_device(item, declared).toTensor());
      return list;
    }
    if (!value.isTensor() || !value.toTensor().defined()) return value;
    const at::Tensor& result = value.toTensor();
    const auto original = originals_.find(result.unsafeGetTensorImpl());
    if (original != originals_.end()) return original->second;
    TORCH_CHECK_NOT_IMPLEMENTED(declared.alias_info() == nullptr, op_.schema().name(),
                                " returns a view and needs a kernel of its own for simulated devices.");
    const c10::DeviceGuard guard(c10::Device(kType, static_cast<c10::DeviceIndex>(*device_)));
    const at::Tensor tensor = at::detail::empty_strided_generic(
        result.sizes(), result.strides(), device_allocator(), kKeys, result.scalar_type());
    copy_now(tensor, result);
    return tensor;
  }

  const c10::OperatorHandle& op_;
  torch::jit::Stack* const stack_;
  std::optional<int> device_;
  std::vector<c10::IValue> given_;
  std::unordered_map<const at::TensorImpl*, at::Tensor> originals_;
};

void call(const c10::OperatorHandle& op, torch::jit::Stack* stack) { Call(op, stack).run(); }

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", empty);
  library.impl("empty_strided", empty_strided);
  library.impl("resize_", resize_);
  library.impl("view", at::native::view);
  library.impl("as_strided", at::native::as_strided_tensorimpl);
  library.impl("_reshape_alias", at::native::_reshape_alias);
  library.impl("_copy_from", copy_from);
  library.impl("_copy_from_and_resize", copy_from_and_resize);
  library.impl("_local_scalar_dense", local_scalar);
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&call>());
}

}  // namespace
}  // namespace reward_model_score::simulator
