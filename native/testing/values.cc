#include "testing/values.h"

#include <ATen/ATen.h>

#include <stdexcept>
#include <vector>

#include "ops/packed_linear.h"

namespace reward_model_score {
namespace {

struct DtypeName {
  const char* name;
  at::ScalarType type;
  napi_typedarray_type array;
};

constexpr DtypeName kDtypes[] = {
    {"float32", at::kFloat, napi_float32_array},    {"float64", at::kDouble, napi_float64_array},
    {"bfloat16", at::kBFloat16, napi_uint16_array}, {"float16", at::kHalf, napi_uint16_array},
    {"int64", at::kLong, napi_bigint64_array},      {"int32", at::kInt, napi_int32_array},
    {"int8", at::kChar, napi_int8_array},           {"uint8", at::kByte, napi_uint8_array},
    {"bool", at::kBool, napi_uint8_array},
};

at::Tensor to_tensor(const Napi::Object& value) {
  const std::string name = value.Get("dtype").ToString();
  const auto shape = value.Get("shape").As<Napi::Array>();
  std::vector<int64_t> sizes;
  for (uint32_t i = 0; i < shape.Length(); ++i) sizes.push_back(shape.Get(i).ToNumber().Int64Value());
  for (const auto& dtype : kDtypes) {
    if (name != dtype.name) continue;
    const auto data = value.Get("data").As<Napi::TypedArray>();
    auto tensor = at::empty(sizes, dtype.type);
    if (data.TypedArrayType() != dtype.array || data.ByteLength() != tensor.nbytes()) {
      throw std::invalid_argument("the data of a " + name +
                                  " tensor has another type or size than its shape");
    }
    const auto* bytes = static_cast<const char*>(data.ArrayBuffer().Data()) + data.ByteOffset();
    std::copy(bytes, bytes + tensor.nbytes(), static_cast<char*>(tensor.mutable_data_ptr()));
    return tensor;
  }
  throw std::invalid_argument("unknown dtype: " + name);
}

Napi::Value from_tensor(Napi::Env env, at::Tensor tensor) {
  tensor = tensor.to(at::kCPU).contiguous();
  for (const auto& dtype : kDtypes) {
    if (tensor.scalar_type() != dtype.type) continue;
    auto buffer = Napi::ArrayBuffer::New(env, tensor.nbytes());
    const auto* bytes = static_cast<const char*>(tensor.const_data_ptr());
    std::copy(bytes, bytes + tensor.nbytes(), static_cast<char*>(buffer.Data()));
    napi_value data;
    const auto status =
        napi_create_typedarray(env, dtype.array, static_cast<size_t>(tensor.numel()), buffer, 0, &data);
    if (status != napi_ok) throw std::runtime_error("a typed array could not be created");
    auto shape = Napi::Array::New(env);
    for (const auto size : tensor.sizes()) shape[shape.Length()] = Napi::Number::New(env, size);
    auto result = Napi::Object::New(env);
    result.Set("dtype", dtype.name);
    result.Set("shape", shape);
    result.Set("data", data);
    return result;
  }
  throw std::invalid_argument("a result has a dtype that JavaScript has no array for");
}

c10::IValue to_list(const Napi::Array& values, const OpLibrary& library) {
  if (values.Length() == 0) throw std::invalid_argument("an empty list has no element type");
  std::vector<c10::IValue> items;
  for (uint32_t i = 0; i < values.Length(); ++i) items.push_back(to_ivalue(values.Get(i), library));
  const auto& first = items.front();
  // A tensor's own type tells its shape, which is no part of a list's type.
  const auto type = first.isTensor()  ? c10::TypePtr(c10::TensorType::get())
                    : first.isTuple() ? library.weight_type()
                                      : first.type();
  c10::impl::GenericList list(type);
  for (auto& item : items) list.push_back(std::move(item));
  return list;
}

c10::IValue to_weight(const Napi::Object& value, const OpLibrary& library) {
  const auto weight = to_tensor(value.Get("linear").As<Napi::Object>());
  std::optional<at::Tensor> bias;
  if (value.Has("bias")) bias = to_tensor(value.Get("bias").As<Napi::Object>());
  return library.weight(weight, bias, weight.scalar_type());
}

c10::IValue to_dict(const Napi::Object& entries) {
  c10::Dict<std::string, at::Tensor> dict;
  const auto names = entries.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).ToString();
    dict.insert(name, to_tensor(entries.Get(name).As<Napi::Object>()));
  }
  return dict;
}

}  // namespace

c10::IValue to_ivalue(const Napi::Value& value, const OpLibrary& library) {
  if (value.IsNull()) return {};
  if (value.IsBoolean()) return value.ToBoolean().Value();
  if (value.IsString()) return value.ToString().Utf8Value();
  if (value.IsArray()) return to_list(value.As<Napi::Array>(), library);
  if (!value.IsObject()) throw std::invalid_argument("a number must say whether it is {int} or {float}");
  const auto object = value.As<Napi::Object>();
  if (object.Has("int")) return object.Get("int").ToNumber().Int64Value();
  if (object.Has("float")) return object.Get("float").ToNumber().DoubleValue();
  if (object.Has("linear")) return to_weight(object, library);
  if (object.Has("dict")) return to_dict(object.Get("dict").As<Napi::Object>());
  return to_tensor(object);
}

Napi::Value from_ivalue(Napi::Env env, const c10::IValue& value) {
  if (value.isNone()) return env.Null();
  if (value.isTensor()) return from_tensor(env, value.toTensor());
  if (value.isInt()) return Napi::Number::New(env, static_cast<double>(value.toInt()));
  if (value.isDouble()) return Napi::Number::New(env, value.toDouble());
  if (value.isBool()) return Napi::Boolean::New(env, value.toBool());
  if (value.isString()) return Napi::String::New(env, value.toStringRef());
  auto array = Napi::Array::New(env);
  if (value.isTuple()) {
    for (const auto& item : value.toTupleRef().elements()) array[array.Length()] = from_ivalue(env, item);
    return array;
  }
  for (const auto& item : value.toListRef()) array[array.Length()] = from_ivalue(env, item);
  return array;
}

}  // namespace reward_model_score
