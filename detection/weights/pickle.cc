// A stack machine with the opcodes of CPython's Lib/pickletools.py that plain data needs: a table
// from opcode to handler. Its state is a position in the bytes, a stack of values, the marks (sizes
// of the stack, below which no opcode may pop) and the memo (values by number).
//
// Invariants:
//   - No opcode calls anything: REDUCE, NEWOBJ and BUILD make or change nodes, or are errors.
//   - Nothing recurses, here or when the values are destroyed, so nested data cannot exhaust the
//     C++ stack. Values are nodes of a deque that refer to each other by address.
//   - One opcode adds no more memory than a small multiple of the file's size. After each one the
//     number of values and the memory they use (PickleMemory) are compared with their limits, so a
//     small file cannot take much memory. OrderedDict, which copies the items of a list that may be
//     reused many times, compares before it copies.

#include "rcnn/detection/weights/pickle.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/weights/pickle_bytes.h"
#include "rcnn/detection/weights/pickle_memory.h"
#include "rcnn/detection/weights/pickle_stack.h"

namespace rcnn::detection::weights {
namespace {

constexpr char kOrderedDict[] = "collections.OrderedDict";
constexpr int kNewestProtocol = 5;
constexpr size_t kMaxShownName = 200;
constexpr size_t kMaxGlobalName = 4096;

class Machine {
 public:
  Machine(absl::string_view bytes, const PickleOptions& options, std::deque<PickleNode>& nodes)
      : bytes_(bytes, options.max_bytes),
        options_(options),
        memory_(std::max(options.file_bytes, bytes.size())),
        nodes_(nodes),
        stack_(bytes_, memory_, nodes) {}

  // Runs up to STOP and returns the value on top of the stack.
  absl::StatusOr<const PickleNode*> Run() {
    while (!stopped_) {
      RCNN_RETURN_IF_ERROR(Step());
      if (std::max({nodes_.size(), stack_.size(), repeated_, memo_.size(), stack_.num_marks()}) >
          options_.max_nodes) {
        return absl::ResourceExhaustedError(
            absl::StrCat("pickle of more than ", options_.max_nodes, " values"));
      }
      RCNN_RETURN_IF_ERROR(CheckMemory());
    }
    return result_;
  }

  size_t position() const { return bytes_.position(); }

 private:
  using Node = PickleNode;
  using Handler = absl::Status (Machine::*)(int);
  struct Opcode {
    int code;
    Handler handler;
    int argument;  // of the handler: a count or the width of an operand in bytes
  };
  static const std::array<Opcode, 256>& Table();

  absl::Status Step() {
    RCNN_ASSIGN_OR_RETURN(const int code, bytes_.NextOpcode());
    const Opcode& opcode = Table()[static_cast<size_t>(code)];
    if (opcode.handler == nullptr) {
      return Error(
          absl::StrFormat("opcode 0x%02x does not belong in a binary pickle of plain "
                          "data",
                          code));
    }
    return (this->*opcode.handler)(opcode.argument);
  }

  absl::Status Error(absl::string_view what) const { return bytes_.Error(what); }

  absl::Status CheckMemory() {
    return memory_.Check(nodes_.size(), memo_.size(), stack_.size(), stack_.num_marks());
  }

  // Opcodes.

  absl::Status Protocol(int) {
    RCNN_ASSIGN_OR_RETURN(const uint64_t protocol, bytes_.Unsigned(1));
    if (protocol <= kNewestProtocol) return absl::OkStatus();
    return Error(absl::StrCat("unknown protocol ", protocol));
  }

  // The length of the next stretch, which tells a streaming reader how much to get.
  absl::Status Frame(int) { return bytes_.Unsigned(8).status(); }

  absl::Status Stop(int) {
    RCNN_ASSIGN_OR_RETURN(result_, stack_.Pop());
    stopped_ = true;
    return absl::OkStatus();
  }

  absl::Status None(int) {
    stack_.PushNone();
    return absl::OkStatus();
  }

  absl::Status Bool(int value) {
    stack_.PushBool(value != 0);
    return absl::OkStatus();
  }

  // BININT is signed; the shorter ones are not.
  absl::Status Integer(int width) {
    int64_t value = 0;
    if (width == 4) {
      RCNN_ASSIGN_OR_RETURN(value, bytes_.Signed(4));
    } else {
      RCNN_ASSIGN_OR_RETURN(value, bytes_.Unsigned(width));
    }
    stack_.PushInteger(value);
    return absl::OkStatus();
  }

  absl::Status LongInteger(int width_of_length) {
    RCNN_ASSIGN_OR_RETURN(const uint64_t length, bytes_.Unsigned(width_of_length));
    RCNN_ASSIGN_OR_RETURN(const int64_t value, bytes_.Signed(length));
    stack_.PushInteger(value);
    return absl::OkStatus();
  }

  absl::Status Float(int) {
    RCNN_ASSIGN_OR_RETURN(const double value, bytes_.Float());
    stack_.PushNew(PickleKind::kFloat)->real = value;
    return absl::OkStatus();
  }

  absl::Status ReadText(PickleKind kind, int width_of_length) {
    RCNN_ASSIGN_OR_RETURN(const uint64_t length, bytes_.Unsigned(width_of_length));
    RCNN_ASSIGN_OR_RETURN(const absl::string_view text, bytes_.Take(length));
    stack_.PushText(kind, std::string(text));
    return absl::OkStatus();
  }

  absl::Status Text(int width) { return ReadText(PickleKind::kString, width); }
  absl::Status Bytes(int width) { return ReadText(PickleKind::kBytes, width); }

  absl::Status EmptyTuple(int) { return Tuple(0); }
  absl::Status EmptyList(int) {
    stack_.PushNew(PickleKind::kList);
    return absl::OkStatus();
  }
  absl::Status EmptyDict(int) {
    stack_.PushNew(PickleKind::kDict);
    return absl::OkStatus();
  }

  absl::Status Mark(int) {
    stack_.Mark();
    return absl::OkStatus();
  }

  absl::Status Tuple(int count) {
    RCNN_ASSIGN_OR_RETURN(auto items, stack_.PopItems(static_cast<size_t>(count)));
    stack_.PushTuple(std::move(items));
    return absl::OkStatus();
  }

  absl::Status MarkedTuple(int) {
    RCNN_ASSIGN_OR_RETURN(auto items, stack_.PopToMark());
    stack_.PushTuple(std::move(items));
    return absl::OkStatus();
  }

  absl::Status Extend(PickleKind kind, const std::vector<const Node*>& items) {
    RCNN_ASSIGN_OR_RETURN(Node* const node, stack_.Top());
    if (node->kind == PickleKind::kOther) return absl::OkStatus();
    if (node->kind != kind) {
      return Error(absl::StrCat("adds items to ", PickleKindName(node->kind)));
    }
    if (kind == PickleKind::kDict && items.size() % 2 != 0) return Error("a key without a value");
    memory_.AddItems(items.size());
    node->items.insert(node->items.end(), items.begin(), items.end());
    return absl::OkStatus();
  }

  absl::Status Append(int) {
    RCNN_ASSIGN_OR_RETURN(const auto items, stack_.PopItems(1));
    return Extend(PickleKind::kList, items);
  }
  absl::Status Appends(int) {
    RCNN_ASSIGN_OR_RETURN(const auto items, stack_.PopToMark());
    return Extend(PickleKind::kList, items);
  }
  absl::Status SetItem(int) {
    RCNN_ASSIGN_OR_RETURN(const auto items, stack_.PopItems(2));
    return Extend(PickleKind::kDict, items);
  }
  absl::Status SetItems(int) {
    RCNN_ASSIGN_OR_RETURN(const auto items, stack_.PopToMark());
    return Extend(PickleKind::kDict, items);
  }

  // The memo: values by number, for repeated use.

  absl::Status Put(int width) {
    RCNN_ASSIGN_OR_RETURN(const uint64_t number, bytes_.Unsigned(width));
    RCNN_ASSIGN_OR_RETURN(memo_[number], stack_.Top());
    return absl::OkStatus();
  }
  absl::Status Memoize(int) {
    RCNN_ASSIGN_OR_RETURN(memo_[memo_.size()], stack_.Top());
    return absl::OkStatus();
  }
  absl::Status Get(int width) {
    RCNN_ASSIGN_OR_RETURN(const uint64_t number, bytes_.Unsigned(width));
    const auto found = memo_.find(number);
    if (found == memo_.end()) return Error(absl::StrCat("the memo has no entry ", number));
    stack_.Push(found->second);
    ++repeated_;
    return absl::OkStatus();
  }

  // Globals and calls.

  absl::Status PushOther(absl::string_view name) {
    stack_.PushText(PickleKind::kOther, std::string(name.substr(0, kMaxShownName)));
    return absl::OkStatus();
  }

  absl::Status PushGlobal(std::string name) {
    const bool allowed =
        name == kOrderedDict || (options_.allows_global && options_.allows_global(name));
    if (!allowed && options_.skips_global && options_.skips_global(name)) {
      return PushOther(name);
    }
    if (name != kOrderedDict && !(options_.allows_global && options_.allows_global(name))) {
      return Error(
          absl::StrCat("asks for '", absl::CHexEscape(name.substr(0, kMaxShownName)),
                       "', which is not part of a state dict; nothing was run; save the model's "
                       "state_dict() instead"));
    }
    stack_.PushText(PickleKind::kGlobal, std::move(name));
    return absl::OkStatus();
  }

  absl::Status Global(int) {
    RCNN_ASSIGN_OR_RETURN(const absl::string_view module, bytes_.Line());
    RCNN_ASSIGN_OR_RETURN(const absl::string_view name, bytes_.Line());
    return PushGlobal(absl::StrCat(module, ".", name));
  }

  absl::Status StackGlobal(int) {
    RCNN_ASSIGN_OR_RETURN(const auto names, stack_.PopItems(2));
    if (names[0]->kind != PickleKind::kString || names[1]->kind != PickleKind::kString) {
      return Error("the name of a global is not a string");
    }
    // A text may be the name of many globals, and is copied and compared for each.
    if (names[0]->text.size() + names[1]->text.size() > kMaxGlobalName) {
      return Error("the name of a global is longer than any of Python's");
    }
    return PushGlobal(absl::StrCat(names[0]->text, ".", names[1]->text));
  }

  absl::Status Reduce(int) {
    RCNN_ASSIGN_OR_RETURN(const auto call, stack_.PopItems(2));
    if (call[0]->kind == PickleKind::kOther) return PushOther(call[0]->text);
    if (call[0]->kind != PickleKind::kGlobal) {
      return Error(absl::StrCat("calls ", PickleKindName(call[0]->kind)));
    }
    if (call[1]->kind != PickleKind::kTuple) {
      return Error(absl::StrCat("arguments that are ", PickleKindName(call[1]->kind)));
    }
    if (call[0]->text == kOrderedDict) return OrderedDict(call[1]->items);
    Node* const node = stack_.PushNew(PickleKind::kCall);
    node->callee = call[0];
    node->arguments = call[1];  // not a copy: one tuple may be passed many times
    return absl::OkStatus();
  }

  // Python 3 calls OrderedDict() and sets items; Python 2 passes a list of pairs.
  absl::Status OrderedDict(const std::vector<const Node*>& arguments) {
    Node* const dict = stack_.PushNew(PickleKind::kDict);
    if (arguments.empty()) return absl::OkStatus();
    if (arguments.size() > 1 || arguments[0]->kind != PickleKind::kList) {
      return Error("unknown arguments of OrderedDict");
    }
    memory_.AddItems(2 * arguments[0]->items.size());
    RCNN_RETURN_IF_ERROR(CheckMemory());
    for (const Node* const pair : arguments[0]->items) {
      const bool is_sequence = pair->kind == PickleKind::kTuple || pair->kind == PickleKind::kList;
      if (!is_sequence || pair->items.size() != 2) return Error("an item that is not a pair");
      dict->items.insert(dict->items.end(), pair->items.begin(), pair->items.end());
    }
    repeated_ += dict->items.size();
    return absl::OkStatus();
  }

  absl::Status Build(int) {
    RCNN_ASSIGN_OR_RETURN(Node* const state, stack_.Pop());
    RCNN_ASSIGN_OR_RETURN(Node* const node, stack_.Top());
    if (node->kind == PickleKind::kOther) return absl::OkStatus();
    if (node->kind != PickleKind::kDict || state->kind != PickleKind::kDict) {
      return Error(absl::StrCat("sets the state of ", PickleKindName(node->kind)));
    }
    node->attributes = state;
    return absl::OkStatus();
  }

  // cls.__new__(cls, *arguments), with `items` values on the stack.
  absl::Status NewObject(int items) {
    RCNN_ASSIGN_OR_RETURN(const auto call, stack_.PopItems(static_cast<size_t>(items)));
    if (call[0]->kind == PickleKind::kOther) return PushOther(call[0]->text);
    return Error(absl::StrCat("makes an object of ", PickleKindName(call[0]->kind)));
  }

  absl::Status EmptySet(int) { return PushOther("builtins.set"); }
  absl::Status AddItems(int) {
    RCNN_ASSIGN_OR_RETURN(const auto items, stack_.PopToMark());
    return Extend(PickleKind::kOther, items);
  }
  absl::Status FrozenSet(int) {
    RCNN_RETURN_IF_ERROR(stack_.PopToMark().status());
    return PushOther("builtins.frozenset");
  }

  absl::Status PersistentId(int) {
    RCNN_ASSIGN_OR_RETURN(Node* const id, stack_.Pop());
    memory_.AddTuple(1);
    stack_.PushNew(PickleKind::kPersistentId)->items = {id};
    return absl::OkStatus();
  }

  PickleBytes bytes_;
  const PickleOptions& options_;
  PickleMemory memory_;
  std::deque<Node>& nodes_;
  PickleStack stack_;
  size_t repeated_ = 0;  // further references to values
  std::unordered_map<uint64_t, Node*> memo_;
  bool stopped_ = false;
  const Node* result_ = nullptr;
};

const std::array<Machine::Opcode, 256>& Machine::Table() {
  static constexpr Opcode kOpcodes[] = {
      {0x80, &Machine::Protocol, 0},    {0x95, &Machine::Frame, 0},
      {'.', &Machine::Stop, 0},         {'N', &Machine::None, 0},
      {0x88, &Machine::Bool, 1},        {0x89, &Machine::Bool, 0},
      {'K', &Machine::Integer, 1},      {'M', &Machine::Integer, 2},
      {'J', &Machine::Integer, 4},      {0x8a, &Machine::LongInteger, 1},
      {0x8b, &Machine::LongInteger, 4}, {'G', &Machine::Float, 0},
      {0x8c, &Machine::Text, 1},        {'X', &Machine::Text, 4},
      {0x8d, &Machine::Text, 8},        {'U', &Machine::Text, 1},
      {'T', &Machine::Text, 4},         {'C', &Machine::Bytes, 1},
      {'B', &Machine::Bytes, 4},        {0x8e, &Machine::Bytes, 8},
      {')', &Machine::EmptyTuple, 0},   {']', &Machine::EmptyList, 0},
      {'}', &Machine::EmptyDict, 0},    {'(', &Machine::Mark, 0},
      {'t', &Machine::MarkedTuple, 0},  {0x85, &Machine::Tuple, 1},
      {0x86, &Machine::Tuple, 2},       {0x87, &Machine::Tuple, 3},
      {'a', &Machine::Append, 0},       {'e', &Machine::Appends, 0},
      {'s', &Machine::SetItem, 0},      {'u', &Machine::SetItems, 0},
      {'q', &Machine::Put, 1},          {'r', &Machine::Put, 4},
      {0x94, &Machine::Memoize, 0},     {'h', &Machine::Get, 1},
      {'j', &Machine::Get, 4},          {'c', &Machine::Global, 0},
      {0x93, &Machine::StackGlobal, 0}, {'R', &Machine::Reduce, 0},
      {'b', &Machine::Build, 0},        {'Q', &Machine::PersistentId, 0},
      {0x81, &Machine::NewObject, 2},   {0x92, &Machine::NewObject, 3},
      {0x8f, &Machine::EmptySet, 0},    {0x90, &Machine::AddItems, 0},
      {0x91, &Machine::FrozenSet, 0},   {0x96, &Machine::Bytes, 8},
  };
  static const std::array<Opcode, 256> table = [] {
    std::array<Opcode, 256> by_code{};
    for (const Opcode& opcode : kOpcodes) by_code[opcode.code] = opcode;
    return by_code;
  }();
  return table;
}

}  // namespace

absl::StatusOr<Pickle> Pickle::Parse(absl::string_view bytes, const PickleOptions& options) {
  Pickle pickle;
  Machine machine(bytes, options, pickle.nodes_);
  RCNN_ASSIGN_OR_RETURN(pickle.root_, machine.Run());
  pickle.size_bytes_ = machine.position();
  return pickle;
}

}  // namespace rcnn::detection::weights
