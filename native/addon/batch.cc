#include "addon/batch.h"

#include <string>

#include "base/error.h"

namespace reward_model_score {
namespace {

std::vector<int32_t> read_int32_array(const Napi::Object& object, const std::string& name) {
  const Napi::Value value = object.Get(name);
  // Not instanceof: an array of another realm (vm, a test runner) is as good.
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
    throw Error("ERR_INVALID_OPTION", "The batch's " + name + " is not an Int32Array.",
                {{"option", "batch." + name}});
  }
  const auto array = value.As<Napi::Int32Array>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

std::map<std::string, std::vector<int32_t>> read_fields(const Napi::Object& object) {
  const Napi::Value value = object.Get("fields");
  if (!value.IsObject())
    throw Error("ERR_INVALID_OPTION", "The batch's fields are not an object.", {{"option", "batch.fields"}});
  const auto given = value.As<Napi::Object>();
  std::map<std::string, std::vector<int32_t>> fields;
  const auto names = given.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).ToString();
    fields.emplace(name, read_int32_array(given, name));
  }
  return fields;
}

Napi::Float32Array write_floats(Napi::Env env, const std::vector<float>& values) {
  auto array = Napi::Float32Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

}  // namespace

PackedBatch read_batch(const Napi::Value& value) {
  if (!value.IsObject())
    throw Error("ERR_INVALID_OPTION", "The batch is not an object.", {{"option", "batch"}});
  const auto object = value.As<Napi::Object>();
  PackedBatch batch;
  batch.fields = read_fields(object);
  batch.lengths = read_int32_array(object, "lengths");
  batch.parents = read_int32_array(object, "parents");
  batch.row_lengths = read_int32_array(object, "rowLengths");
  batch.pooled = read_int32_array(object, "pooled");
  batch.gates = read_int32_array(object, "gates");
  batch.check();
  return batch;
}

Napi::Value write_scores(Napi::Env env, const BatchScores& scores) {
  Napi::Object extra = Napi::Object::New(env);
  for (const ExtraOutput& output : scores.extra) {
    Napi::Object entry = Napi::Object::New(env);
    entry["values"] = write_floats(env, output.values);
    entry["width"] = Napi::Number::New(env, static_cast<double>(output.width));
    extra[output.name] = entry;
  }
  Napi::Object result = Napi::Object::New(env);
  result["scores"] = write_floats(env, scores.scores);
  result["labels"] = Napi::Number::New(env, static_cast<double>(scores.labels));
  result["extra"] = extra;
  return result;
}

}  // namespace reward_model_score
