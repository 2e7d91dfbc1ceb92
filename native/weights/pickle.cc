// The pickle protocol is documented in CPython's Lib/pickletools.py.
#include "weights/pickle.h"

#include <c10/util/safe_numerics.h>

#include <cstring>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <unordered_map>
#include <unordered_set>
#include <variant>

namespace reward_model_score {
namespace {

// Shared, because a pickle can refer to one text any number of times.
using Text = std::shared_ptr<const std::string>;

// Modules of models nest a dozen deep. More would be an attempt to exhaust the stack, or memory with names.
constexpr size_t kMostNested = 64;
constexpr size_t kLongestName = 1024;

// What torch.save wrote first before version 1.6, with the opcodes that make an integer of it.
constexpr std::string_view kLegacyMagic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

struct None {};
struct Mark {};
struct Global {
  std::string name;  // "torch._utils._rebuild_tensor_v2"
};
// Of the elements of a storage, those from `begin` on: files of old have views of storages.
struct Storage {
  PickledStorage whole;
  int64_t begin;
};

struct Container;
// Containers belong to the reader, so that a pickle that nests them deeply or in a circle harms nobody.
using Value =
    std::variant<None, Mark, bool, int64_t, double, Text, Global, Storage, PickledTensor, Container*>;

struct Container {
  enum class Kind { kTuple, kList, kDict, kObject } kind;
  std::vector<Value> items;  // keys and values in turn for a dict, and for the attributes of an object
};

[[noreturn]] void refuse(const std::string& what) { throw std::runtime_error(what); }

[[noreturn]] void refuse_object(const std::string& name) {
  refuse("its pickle makes a " + name + ", which is no part of a state dict");
}

class Reader {
 public:
  // Takes the pickle from the beginning of `bytes`.
  Reader(std::string_view& bytes, bool objects) : bytes_(bytes), objects_(objects) {
    while (step()) {
    }
  }

  // The value of a key, if the pickle is a dict with such a flag.
  std::optional<bool> flag(std::string_view name) {
    auto* const* dict = std::get_if<Container*>(&top());
    if (dict == nullptr || (*dict)->kind != Container::Kind::kDict) return std::nullopt;
    const auto& items = (*dict)->items;
    for (size_t i = 0; i < items.size(); i += 2) {
      const auto* key = std::get_if<Text>(&items[i]);
      const auto* value = std::get_if<bool>(&items[i + 1]);
      if (key != nullptr && **key == name && value != nullptr) return *value;
    }
    return std::nullopt;
  }

  std::vector<std::string> texts() {
    auto* const* list = std::get_if<Container*>(&top());
    if (list == nullptr || (*list)->kind != Container::Kind::kList) refuse("it has no list of its storages");
    std::vector<std::string> texts;
    for (const auto& item : (*list)->items) {
      const auto* text = std::get_if<Text>(&item);
      if (text == nullptr) refuse("it names a storage by something else than a text");
      texts.push_back(**text);
    }
    return texts;
  }

  // Of all that the pickle referred to, by key.
  const std::unordered_map<std::string, PickledStorage>& storages() const { return storages_; }

  std::vector<PickledTensor> state_dict() {
    const auto* dict = std::get_if<Container*>(&top());
    if (dict == nullptr || (*dict)->kind != Container::Kind::kDict)
      refuse("its pickle is not a dict of tensors");
    std::vector<PickledTensor> tensors;
    const auto& items = (*dict)->items;
    for (size_t i = 0; i < items.size(); i += 2) {
      const auto* name = std::get_if<Text>(&items[i]);
      const auto* tensor = std::get_if<PickledTensor>(&items[i + 1]);
      if (name == nullptr || tensor == nullptr) continue;
      tensors.push_back(*tensor);
      tensors.back().name = **name;
    }
    return tensors;
  }

  std::vector<PickledTensor> module() {
    const auto* root = std::get_if<Container*>(&top());
    if (root == nullptr || (*root)->kind != Container::Kind::kObject) refuse("its pickle is not a module");
    std::vector<PickledTensor> tensors;
    collect(top(), "", 0, tensors);
    return tensors;
  }

 private:
  // What is reached on two ways, or in a circle, counts once.
  void collect(const Value& value, const std::string& name, size_t depth,
               std::vector<PickledTensor>& tensors) {
    if (const auto* tensor = std::get_if<PickledTensor>(&value)) {
      tensors.push_back(*tensor);
      tensors.back().name = name;
    }
    const auto* container = std::get_if<Container*>(&value);
    if (container == nullptr || !collected_.insert(*container).second) return;
    if (depth == kMostNested || name.size() > kLongestName) refuse("its pickle nests its values too deeply");
    const auto below = [&](const std::string& item) { return name.empty() ? item : name + "." + item; };
    const auto& [kind, items] = **container;
    const bool named = kind == Container::Kind::kDict || kind == Container::Kind::kObject;
    for (size_t i = 0; i < items.size(); i += named ? 2 : 1) {
      if (!named) {
        collect(items[i], below(std::to_string(i)), depth + 1, tensors);
      } else if (const auto* key = std::get_if<Text>(&items[i])) {
        if ((*key)->size() > kLongestName) refuse("its pickle holds a name that is too long");
        collect(items[i + 1], below(**key), depth + 1, tensors);
      }
    }
  }

  // Runs one opcode; false after the last.
  bool step() {
    const auto opcode = number<uint8_t>();
    switch (opcode) {
      case 0x80:
        number<uint8_t>();
        return true;  // PROTO
      case 0x95:
        number<uint64_t>();
        return true;  // FRAME
      case '.':
        return false;  // STOP
      case '(':
        push(Mark{});
        return true;  // MARK
      case 'N':
        push(None{});
        return true;  // NONE
      case 0x88:
        push(true);
        return true;  // NEWTRUE
      case 0x89:
        push(false);
        return true;  // NEWFALSE
      case 'J':
        push(int64_t{number<int32_t>()});
        return true;  // BININT
      case 'K':
        push(int64_t{number<uint8_t>()});
        return true;  // BININT1
      case 'M':
        push(int64_t{number<uint16_t>()});
        return true;  // BININT2
      case 0x8a:
        push(long_integer());
        return true;  // LONG1
      case 'G':
        take(8);
        push(0.0);
        return true;  // BINFLOAT: no tensor depends on one
      case 'X':
        push(text(number<uint32_t>()));
        return true;  // BINUNICODE
      case 0x8c:
      case 'U':
        push(text(number<uint8_t>()));
        return true;  // SHORT_BINUNICODE, and Python 2's SHORT_BINSTRING
      case ')':
        push_container(Container::Kind::kTuple, {});
        return true;  // EMPTY_TUPLE
      case ']':
        push_container(Container::Kind::kList, {});
        return true;  // EMPTY_LIST
      case '}':
        push_container(Container::Kind::kDict, {});
        return true;  // EMPTY_DICT
      case 't':
        push_container(Container::Kind::kTuple, pop_to_mark());
        return true;  // TUPLE
      case 0x85:
      case 0x86:
      case 0x87:  // TUPLE1, 2, 3
        push_container(Container::Kind::kTuple, pop_many(opcode - 0x84));
        return true;
      case 'a':
        append(Container::Kind::kList, pop_many(1));
        return true;  // APPEND
      case 'e':
        append(Container::Kind::kList, pop_to_mark());
        return true;  // APPENDS
      case 's':
        append(Container::Kind::kDict, pop_many(2));
        return true;  // SETITEM
      case 'u':
        append(Container::Kind::kDict, pop_to_mark());
        return true;  // SETITEMS
      case 'c':
        global();
        return true;  // GLOBAL
      case 0x93:
        stack_global();
        return true;  // STACK_GLOBAL
      case 'R':
        reduce();
        return true;  // REDUCE
      case 0x81:
        new_object();
        return true;  // NEWOBJ
      case 'b':
        build();
        return true;  // BUILD
      case 'Q':
        persistent();
        return true;  // BINPERSID
      case 'q':
        memo_[number<uint8_t>()] = top();
        return true;  // BINPUT
      case 'r':
        memo_[number<uint32_t>()] = top();
        return true;  // LONG_BINPUT
      case 0x94: {
        const auto next = memo_.size();
        memo_[next] = top();
        return true;
      }  // MEMOIZE
      case 'h':
        push(remembered(number<uint8_t>()));
        return true;  // BINGET
      case 'j':
        push(remembered(number<uint32_t>()));
        return true;  // LONG_BINGET
      default:
        refuse("its pickle holds the opcode " + std::to_string(opcode) + ", which no state dict needs");
    }
  }

  std::string_view take(size_t count) {
    if (count > bytes_.size()) refuse("its pickle ends early");
    const auto taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }

  template <typename T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  Text text(size_t length) { return std::make_shared<const std::string>(take(length)); }

  std::string line() {
    const auto end = bytes_.find('\n');
    if (end == std::string_view::npos) refuse("its pickle ends early");
    std::string text(take(end));
    take(1);
    return text;
  }

  int64_t long_integer() {
    const auto digits = take(number<uint8_t>());
    if (digits.size() > 8)
      refuse("its pickle holds an integer of " + std::to_string(digits.size()) + " bytes");
    // Two's complement, little endian, as short as it goes.
    uint64_t value = !digits.empty() && (digits.back() & 0x80) != 0 ? ~uint64_t{0} : 0;
    std::memcpy(&value, digits.data(), digits.size());
    return static_cast<int64_t>(value);
  }

  void push(Value value) { stack_.push_back(std::move(value)); }

  Value& top() {
    if (stack_.empty()) refuse("its pickle takes from an empty stack");
    return stack_.back();
  }

  Value pop() {
    Value value = std::move(top());
    stack_.pop_back();
    return value;
  }

  template <typename T>
  T pop_as(const char* what) {
    Value value = pop();
    auto* typed = std::get_if<T>(&value);
    if (typed == nullptr) refuse(std::string("its pickle has something else where it needs ") + what);
    return std::move(*typed);
  }

  std::vector<Value> pop_many(size_t count) {
    if (stack_.size() < count) refuse("its pickle takes from an empty stack");
    std::vector<Value> values(std::make_move_iterator(stack_.end() - static_cast<ptrdiff_t>(count)),
                              std::make_move_iterator(stack_.end()));
    stack_.resize(stack_.size() - count);
    return values;
  }

  std::vector<Value> pop_to_mark() {
    size_t count = 0;
    while (count < stack_.size() && !std::holds_alternative<Mark>(stack_[stack_.size() - 1 - count])) ++count;
    auto values = pop_many(count);
    pop();
    return values;
  }

  void push_container(Container::Kind kind, std::vector<Value> items) {
    containers_.push_back(std::make_unique<Container>(Container{kind, std::move(items)}));
    push(containers_.back().get());
  }

  void append(Container::Kind kind, std::vector<Value> items) {
    auto** container = std::get_if<Container*>(&top());
    if (container == nullptr || (*container)->kind != kind ||
        (kind == Container::Kind::kDict && items.size() % 2 != 0)) {
      refuse("its pickle appends to something that takes no items");
    }
    auto& target = (*container)->items;
    target.insert(target.end(), std::make_move_iterator(items.begin()), std::make_move_iterator(items.end()));
  }

  const Value& remembered(size_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) refuse("its pickle refers to something that it has not defined");
    return found->second;
  }

  void global() {
    auto module = line();
    push(Global{module + "." + line()});
  }

  void stack_global() {
    const auto name = pop_as<Text>("a name");
    push(Global{*pop_as<Text>("a module") + "." + *name});
  }

  std::vector<Value>& pop_tuple() {
    auto* container = pop_as<Container*>("a tuple");
    if (container->kind != Container::Kind::kTuple)
      refuse("its pickle has something else where it needs a tuple");
    return container->items;
  }

  void new_object() {
    pop();
    const auto name = pop_as<Global>("a class").name;
    if (!objects_) refuse_object(name);
    push_container(Container::Kind::kObject, {});
  }

  // TorchScript says of a list what its elements are.
  bool is_typed_list(const std::string& callee) const {
    return objects_ &&
           (callee == "torch.jit._pickle.restore_type_tag" || callee.starts_with("torch.jit._pickle.build_"));
  }

  void reduce() {
    auto& arguments = pop_tuple();
    const auto callee = pop_as<Global>("a class").name;
    if (callee == "collections.OrderedDict" && arguments.empty()) {
      push_container(Container::Kind::kDict, {});
    } else if ((callee == "torch._utils._rebuild_tensor_v2" || callee == "torch._utils._rebuild_tensor") &&
               arguments.size() >= 4) {
      push(rebuild_tensor(arguments));
    } else if (callee == "torch._utils._rebuild_tensor_v3" && arguments.size() >= 7) {
      push(rebuild_tensor_of_type(arguments));
    } else if (callee == "torch._utils._rebuild_parameter" && !arguments.empty() &&
               std::holds_alternative<PickledTensor>(arguments[0])) {
      push(Value(arguments[0]));
    } else if (is_typed_list(callee) && !arguments.empty()) {
      push(Value(arguments[0]));
    } else {
      refuse_object(callee);
    }
  }

  static std::vector<int64_t> integers(const Value& value) {
    auto* const* container = std::get_if<Container*>(&value);
    std::vector<int64_t> result;
    bool valid = container != nullptr && (*container)->items.size() <= kMostDimensions;
    if (valid) {
      for (const auto& item : (*container)->items) {
        const auto* integer = std::get_if<int64_t>(&item);
        valid = valid && integer != nullptr;
        if (valid) result.push_back(*integer);
      }
    }
    if (!valid) refuse("its pickle describes a tensor without a shape");
    return result;
  }

  static PickledTensor rebuild_tensor(const std::vector<Value>& arguments) {
    const auto* storage = std::get_if<Storage>(&arguments[0]);
    const auto* offset = std::get_if<int64_t>(&arguments[1]);
    if (storage == nullptr || offset == nullptr) refuse("its pickle describes a tensor without a storage");
    const auto& whole = storage->whole;
    int64_t from;
    if (c10::add_overflows(storage->begin, *offset, &from))
      refuse("its pickle describes a tensor outside its storage");
    return {"",
            whole.storage_class,
            "",
            whole.key,
            whole.elements,
            from,
            integers(arguments[2]),
            integers(arguments[3])};
  }

  // For the types that have no storage class of their own: (storage, offset, shape, strides, gradient, hooks,
  // dtype)
  static PickledTensor rebuild_tensor_of_type(const std::vector<Value>& arguments) {
    auto tensor = rebuild_tensor(arguments);
    const auto* dtype = std::get_if<Global>(&arguments[6]);
    if (dtype == nullptr || !dtype->name.starts_with("torch."))
      refuse("its pickle describes a tensor without a type");
    tensor.dtype = dtype->name.substr(dtype->name.find('.') + 1);
    return tensor;
  }

  // A state dict carries its version as the state of its OrderedDict, which nobody needs; a module's state
  // are its attributes.
  void build() {
    const Value state = pop();
    auto* const* target = std::get_if<Container*>(&top());
    if (target != nullptr && (*target)->kind == Container::Kind::kDict) return;
    const auto* attributes = std::get_if<Container*>(&state);
    if (target == nullptr || (*target)->kind != Container::Kind::kObject || attributes == nullptr ||
        (*attributes)->kind != Container::Kind::kDict) {
      refuse("its pickle sets the state of something that has none");
    }
    (*target)->items = (*attributes)->items;
  }

  // ("storage", torch.FloatStorage, key, device, elements), before version 1.6 with a view of it at the end
  void persistent() {
    const auto& id = pop_tuple();
    const auto* kind = id.size() == 5 || id.size() == 6 ? std::get_if<Text>(&id[0]) : nullptr;
    if (kind == nullptr || **kind != "storage") refuse("its pickle refers to something that is no storage");
    const auto* type = std::get_if<Global>(&id[1]);
    const auto* key = std::get_if<Text>(&id[2]);
    const auto* elements = std::get_if<int64_t>(&id[4]);
    if (type == nullptr || key == nullptr || elements == nullptr || *elements < 0) {
      refuse("its pickle describes a storage that it does not name");
    }
    const PickledStorage whole{type->name.substr(type->name.rfind('.') + 1), **key, *elements};
    storages_.emplace(whole.key, whole);
    push(Storage{whole, id.size() == 6 ? view_begin(id[5]) : 0});
  }

  // (key, offset, elements), or None for all of the storage
  static int64_t view_begin(const Value& view) {
    if (std::holds_alternative<None>(view)) return 0;
    auto* const* tuple = std::get_if<Container*>(&view);
    const auto* offset =
        tuple != nullptr && (*tuple)->items.size() == 3 ? std::get_if<int64_t>(&(*tuple)->items[1]) : nullptr;
    if (offset == nullptr || *offset < 0) refuse("its pickle describes a view of a storage that is none");
    return *offset;
  }

  std::string_view& bytes_;
  const bool objects_;
  std::vector<Value> stack_;
  std::vector<std::unique_ptr<Container>> containers_;
  std::unordered_map<size_t, Value> memo_;
  std::unordered_set<const Container*> collected_;
  std::unordered_map<std::string, PickledStorage> storages_;
};

// PROTO, and FRAME from version 4 of the format on
size_t skip_start(std::string_view pickle) {
  if (pickle.size() < 3 || static_cast<uint8_t>(pickle[0]) != 0x80) return 0;
  return static_cast<uint8_t>(pickle[2]) == 0x95 ? 11 : 2;
}

}  // namespace

std::vector<PickledTensor> read_state_dict_pickle(std::string_view pickle) {
  return Reader(pickle, /*objects=*/false).state_dict();
}

std::vector<PickledTensor> read_module_pickle(std::string_view pickle) {
  return Reader(pickle, /*objects=*/true).module();
}

bool is_legacy_pickle(std::string_view head) {
  const auto start = skip_start(head);
  return start > 0 && head.size() > start && head.substr(start).starts_with(kLegacyMagic);
}

LegacyPickles read_legacy_pickles(std::string_view head) {
  const auto whole = head.size();
  if (!is_legacy_pickle(head)) refuse("it does not begin as torch.save began");
  head.remove_prefix(skip_start(head) + kLegacyMagic.size());
  LegacyPickles pickles;
  Reader(head, /*objects=*/false);  // the version, which has always been 1001
  pickles.little_endian = Reader(head, /*objects=*/false).flag("little_endian").value_or(true);
  Reader reader(head, /*objects=*/false);
  pickles.tensors = reader.state_dict();
  for (const auto& key : Reader(head, /*objects=*/false).texts()) {
    const auto found = reader.storages().find(key);
    if (found == reader.storages().end()) refuse("it holds a storage that its pickle does not name");
    pickles.storages.push_back(found->second);
  }
  pickles.size = whole - head.size();
  return pickles;
}

}  // namespace reward_model_score
