#include "addon/program_spec.h"

#include <cmath>

#include "base/error.h"

namespace reward_model_score {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw Error("ERR_MODEL_CONFIG", "The program is malformed: " + what + ".");
}

Napi::Object object_of(const Napi::Value& value, const std::string& what) {
  if (!value.IsObject()) refuse(what + " is not an object");
  return value.As<Napi::Object>();
}

std::string text_of(const Napi::Value& value, const std::string& what) {
  if (!value.IsString()) refuse(what + " is not a string");
  return value.As<Napi::String>();
}

double number_of(const Napi::Value& value, const std::string& what) {
  if (!value.IsNumber()) refuse(what + " is not a number");
  return value.As<Napi::Number>().DoubleValue();
}

int64_t integer_of(const Napi::Value& value, const std::string& what) {
  const auto number = number_of(value, what);
  if (std::floor(number) != number || std::abs(number) > 9007199254740991.0)
    refuse(what + " is not an integer");
  return static_cast<int64_t>(number);
}

template <typename Read>
auto list_of(const Napi::Value& value, const std::string& what, const Read& read) {
  if (!value.IsArray()) refuse(what + " is not a list");
  const auto array = value.As<Napi::Array>();
  std::vector<decltype(read(value, what))> items;
  for (uint32_t i = 0; i < array.Length(); ++i) items.push_back(read(array.Get(i), what));
  return items;
}

template <typename Read>
auto map_of(const Napi::Value& value, const std::string& what, const Read& read) {
  const auto object = object_of(value, what);
  const auto names = object.GetPropertyNames();
  std::map<std::string, decltype(read(value, what))> entries;
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).ToString();
    entries.emplace(name, read(object.Get(name), what + "." + name));
  }
  return entries;
}

bool present(const Napi::Object& object, const char* name) {
  return object.Has(name) && !object.Get(name).IsUndefined();
}

std::vector<int64_t> shape_of(const Napi::Value& value, const std::string& what) {
  return list_of(value, what, integer_of);
}

AttributeValue read_attribute(const Napi::Value& value, const std::string& what) {
  const auto object = object_of(value, what);
  if (object.Has("int")) return integer_of(object.Get("int"), what);
  if (object.Has("float")) return number_of(object.Get("float"), what);
  if (object.Has("bool")) return object.Get("bool").ToBoolean().Value();
  if (object.Has("string")) return text_of(object.Get("string"), what);
  if (object.Has("ints")) return list_of(object.Get("ints"), what, integer_of);
  if (object.Has("floats")) return list_of(object.Get("floats"), what, number_of);
  refuse(what + " has no value");
}

WeightPart::Scale read_scale(const Napi::Value& value, const std::string& what) {
  const auto object = object_of(value, what);
  const auto block = shape_of(object.Get("block"), what + ".block");
  if (block.size() != 2) refuse(what + ".block has not two sizes");
  return {text_of(object.Get("tensor"), what + ".tensor"), block[0], block[1]};
}

WeightPart::Delta read_delta(const Napi::Value& value, const std::string& what) {
  const auto object = object_of(value, what);
  WeightPart::Delta delta;
  if (present(object, "a")) delta.a = text_of(object.Get("a"), what + ".a");
  delta.b = text_of(object.Get("b"), what + ".b");
  delta.scale = number_of(object.Get("scale"), what + ".scale");
  if (present(object, "transposed")) delta.transposed = object.Get("transposed").ToBoolean();
  if (present(object, "magnitude")) delta.magnitude = text_of(object.Get("magnitude"), what + ".magnitude");
  return delta;
}

WeightPart read_part(const Napi::Value& value, const std::string& what) {
  const auto object = object_of(value, what);
  WeightPart part;
  part.tensor = text_of(object.Get("tensor"), what + ".tensor");
  if (present(object, "scale")) part.scale = read_scale(object.Get("scale"), what + ".scale");
  if (present(object, "delta")) part.delta = read_delta(object.Get("delta"), what + ".delta");
  if (present(object, "reshape")) part.reshape = shape_of(object.Get("reshape"), what + ".reshape");
  if (present(object, "slice")) {
    const auto slice = object_of(object.Get("slice"), what + ".slice");
    part.slice = WeightPart::Slice{integer_of(slice.Get("dim"), what + ".slice.dim"),
                                   integer_of(slice.Get("start"), what + ".slice.start"),
                                   integer_of(slice.Get("end"), what + ".slice.end")};
  }
  if (present(object, "transpose")) part.transpose = object.Get("transpose").ToBoolean();
  if (present(object, "flatten")) part.flatten = shape_of(object.Get("flatten"), what + ".flatten");
  return part;
}

std::optional<WeightPart> read_optional_part(const Napi::Value& value, const std::string& what) {
  if (value.IsNull()) return std::nullopt;
  return read_part(value, what);
}

WeightSpec read_weight(const Napi::Value& value, const std::string& what) {
  const auto object = object_of(value, what);
  WeightSpec spec;
  const auto kind = text_of(object.Get("kind"), what + ".kind");
  if (kind == "linear") {
    spec.kind = WeightSpec::Kind::kLinear;
  } else if (kind == "dense") {
    spec.kind = WeightSpec::Kind::kDense;
  } else if (kind == "table") {
    spec.kind = WeightSpec::Kind::kTable;
  } else {
    refuse(what + ".kind is \"" + kind + "\"");
  }
  const auto dtype = text_of(object.Get("dtype"), what + ".dtype");
  if (dtype != "model" && dtype != "float32") refuse(what + ".dtype is \"" + dtype + "\"");
  spec.model_dtype = dtype == "model";
  spec.parts = list_of(object.Get("parts"), what + ".parts", read_part);
  if (present(object, "bias")) spec.bias = list_of(object.Get("bias"), what + ".bias", read_optional_part);
  spec.shape = shape_of(object.Get("shape"), what + ".shape");
  return spec;
}

WeightEntry read_weight_entry(const Napi::Value& value, const std::string& what) {
  if (value.IsNull()) return std::monostate{};
  if (value.IsArray()) return list_of(value, what, read_weight);
  return read_weight(value, what);
}

StageSpec read_stage(const Napi::Value& value, const std::string& what) {
  const auto object = object_of(value, what);
  StageSpec stage;
  stage.name = text_of(object.Get("name"), what + ".name");
  stage.module = read_module_source(value);
  stage.weights = map_of(object.Get("weights"), stage.name, read_weight_entry);
  return stage;
}

}  // namespace

ModuleSource read_module_source(const Napi::Value& value) {
  const auto object = object_of(value, "module");
  return {text_of(object.Get("source"), "source"),
          map_of(object.Get("attributes"), "attributes", read_attribute)};
}

ProgramSpec read_program_spec(const Napi::Value& value) {
  const auto object = object_of(value, "program");
  ProgramSpec spec;
  spec.stages = list_of(object.Get("stages"), "stages", read_stage);
  spec.reference = text_of(object.Get("reference"), "reference");
  if (present(object, "extraFiles"))
    spec.extra_files = map_of(object.Get("extraFiles"), "extraFiles", text_of);
  return spec;
}

}  // namespace reward_model_score
