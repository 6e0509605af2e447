// A stack machine with the opcodes of CPython's Lib/pickletools.py that plain data needs: a table
// from opcode to handler. Its state is a position in the bytes, a stack of values, the marks (sizes
// of the stack, below which no opcode may pop) and the memo (values by number).
//
// Invariants:
//   - No opcode calls anything: REDUCE, NEWOBJ and BUILD make or change nodes, or are errors.
//   - Nothing recurses, here or when the values are destroyed, so nested data cannot exhaust the
//     C++ stack. Values are nodes of a deque that refer to each other by address.
//   - One opcode adds no more memory than a small multiple of the file's size. After each one the
//     number of values and the memory they use (UsedBytes) are compared with their limits, so a
//     small file cannot take much memory. OrderedDict, which copies the items of a list that may be
//     reused many times, compares before it copies.

#include "rcnn/detection/weights/pickle.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::detection::weights {
namespace {

constexpr char kOrderedDict[] = "collections.OrderedDict";
constexpr int kNewestProtocol = 5;
constexpr size_t kMaxShownName = 200;
constexpr size_t kMaxGlobalName = 4096;

// Bytes per value, with its share of blocks and tables. A growing vector briefly holds up to
// three times its items.
constexpr size_t kNodeBytes = 112;
constexpr size_t kSlotBytes = 3 * sizeof(void*);       // of the stack and the marks
constexpr size_t kGrownItemBytes = 4 * sizeof(void*);  // of a list or dict, with its source
constexpr size_t kTupleItemBytes = sizeof(void*);
constexpr size_t kMemoBytes = 56;
constexpr size_t kBlockBytes = 32;  // of an allocation of its own
constexpr size_t kInlineText = 15;  // characters that a string holds without one

// Frequent values of one byte have one node each.
enum Constant : size_t { kNoneConstant = 256, kFalseConstant, kTrueConstant, kEmpty, kConstants };

class Machine {
 public:
  Machine(absl::string_view bytes, const PickleOptions& options, std::deque<PickleNode>& nodes)
      : bytes_(bytes.substr(0, options.max_bytes)),
        shortened_(bytes.size() > options.max_bytes),
        options_(options),
        file_bytes_(std::max(options.file_bytes, bytes.size())),
        nodes_(nodes) {}

  // Runs up to STOP and returns the value on top of the stack.
  absl::StatusOr<const PickleNode*> Run() {
    while (!stopped_) {
      opcode_at_ = position_;
      RCNN_RETURN_IF_ERROR(Step());
      if (std::max({nodes_.size(), stack_.size(), repeated_, memo_.size(), marks_.size()}) >
          options_.max_nodes) {
        return absl::ResourceExhaustedError(
            absl::StrCat("pickle of more than ", options_.max_nodes, " values"));
      }
      RCNN_RETURN_IF_ERROR(CheckMemory());
    }
    return result_;
  }

  size_t position() const { return position_; }

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
    RCNN_ASSIGN_OR_RETURN(const uint64_t code, Unsigned(1));
    const Opcode& opcode = Table()[code];
    if (opcode.handler == nullptr) {
      return Error(
          absl::StrFormat("opcode 0x%02x does not belong in a binary pickle of plain "
                          "data",
                          code));
    }
    return (this->*opcode.handler)(opcode.argument);
  }

  absl::Status Error(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat("pickle, byte ", opcode_at_, ": ", what));
  }

  // Memory.

  size_t UsedBytes() const {
    return used_bytes_ + kNodeBytes * nodes_.size() + kMemoBytes * memo_.size() +
           kSlotBytes * (most_stacked_ + most_marks_);
  }

  absl::Status CheckMemory() {
    most_stacked_ = std::max(most_stacked_, stack_.size());
    most_marks_ = std::max(most_marks_, marks_.size());
    return CheckPickleMemory(UsedBytes(), file_bytes_);
  }

  // Operands.

  absl::StatusOr<absl::string_view> Take(uint64_t size) {
    if (size > bytes_.size() - position_) {
      if (!shortened_) {
        return absl::DataLossError(absl::StrCat("pickle, byte ", opcode_at_, ": the file ends"));
      }
      return absl::ResourceExhaustedError(
          absl::StrCat("pickle of more than ", options_.max_bytes, " bytes"));
    }
    const absl::string_view taken = bytes_.substr(position_, size);
    position_ += size;
    return taken;
  }

  absl::StatusOr<uint64_t> Unsigned(int width) {
    RCNN_ASSIGN_OR_RETURN(const absl::string_view taken, Take(width));
    uint64_t value = 0;
    for (int i = width - 1; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(taken[i]);
    return value;
  }

  // Two's complement, little-endian, of any width that fits into 64 bits.
  absl::StatusOr<int64_t> Signed(uint64_t width) {
    RCNN_ASSIGN_OR_RETURN(const absl::string_view taken, Take(width));
    if (width > 8) return Error("an integer of more than 64 bits");
    uint64_t value = width > 0 && (taken[width - 1] & 0x80) != 0 ? ~uint64_t{0} : 0;
    for (int i = static_cast<int>(width) - 1; i >= 0; --i) {
      value = value << 8 | static_cast<uint8_t>(taken[i]);
    }
    return static_cast<int64_t>(value);
  }

  absl::StatusOr<absl::string_view> Line() {
    const size_t end = bytes_.find('\n', position_);
    RCNN_ASSIGN_OR_RETURN(const absl::string_view line,
                          Take(end == absl::string_view::npos ? bytes_.size() : end - position_));
    ++position_;
    return line;
  }

  // The stack.

  Node* New(PickleKind kind) {
    nodes_.emplace_back();
    nodes_.back().kind = kind;
    return &nodes_.back();
  }

  Node* PushNew(PickleKind kind) {
    stack_.push_back(New(kind));
    return stack_.back();
  }

  void PushText(PickleKind kind, std::string text) {
    if (text.size() > kInlineText) used_bytes_ += text.size() + kBlockBytes;
    PushNew(kind)->text = std::move(text);
  }

  // Tuples, None, bools and integers are immutable, so equal ones may share a node.
  void PushConstant(size_t constant, PickleKind kind, int64_t value = 0) {
    Node*& node = constants_[constant];
    if (node == nullptr) {
      node = New(kind);
      node->integer = value;
    }
    stack_.push_back(node);
  }

  void PushInteger(int64_t value) {
    if (value >= 0 && value < int64_t{kNoneConstant}) {
      PushConstant(static_cast<size_t>(value), PickleKind::kInteger, value);
    } else {
      PushNew(PickleKind::kInteger)->integer = value;
    }
  }

  void PushTuple(std::vector<const Node*> items) {
    if (items.empty()) return PushConstant(kEmpty, PickleKind::kTuple);
    used_bytes_ += kTupleItemBytes * items.size() + kBlockBytes;
    PushNew(PickleKind::kTuple)->items = std::move(items);
  }

  size_t Bottom() const { return marks_.empty() ? 0 : marks_.back(); }

  absl::StatusOr<Node*> Pop() {
    if (stack_.size() <= Bottom()) return Error("pops from an empty stack");
    Node* const node = stack_.back();
    stack_.pop_back();
    return node;
  }

  absl::StatusOr<Node*> Top() {
    if (stack_.size() <= Bottom()) return Error("reads from an empty stack");
    return stack_.back();
  }

  absl::StatusOr<std::vector<const Node*>> PopItems(size_t count) {
    if (stack_.size() - Bottom() < count) return Error("pops from an empty stack");
    std::vector<const Node*> items(stack_.end() - static_cast<int64_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return items;
  }

  absl::StatusOr<std::vector<const Node*>> PopToMark() {
    if (marks_.empty()) return Error("the stack has no mark");
    auto items = PopItems(stack_.size() - Bottom());
    marks_.pop_back();
    return items;
  }

  // Opcodes.

  absl::Status Protocol(int) {
    RCNN_ASSIGN_OR_RETURN(const uint64_t protocol, Unsigned(1));
    if (protocol <= kNewestProtocol) return absl::OkStatus();
    return Error(absl::StrCat("unknown protocol ", protocol));
  }

  // The length of the next stretch, which tells a streaming reader how much to get.
  absl::Status Frame(int) { return Unsigned(8).status(); }

  absl::Status Stop(int) {
    RCNN_ASSIGN_OR_RETURN(result_, Pop());
    stopped_ = true;
    return absl::OkStatus();
  }

  absl::Status None(int) {
    PushConstant(kNoneConstant, PickleKind::kNone);
    return absl::OkStatus();
  }

  absl::Status Bool(int value) {
    PushConstant(value == 0 ? kFalseConstant : kTrueConstant, PickleKind::kBool, value);
    return absl::OkStatus();
  }

  // BININT is signed; the shorter ones are not.
  absl::Status Integer(int width) {
    int64_t value = 0;
    if (width == 4) {
      RCNN_ASSIGN_OR_RETURN(value, Signed(4));
    } else {
      RCNN_ASSIGN_OR_RETURN(value, Unsigned(width));
    }
    PushInteger(value);
    return absl::OkStatus();
  }

  absl::Status LongInteger(int width_of_length) {
    RCNN_ASSIGN_OR_RETURN(const uint64_t length, Unsigned(width_of_length));
    RCNN_ASSIGN_OR_RETURN(const int64_t value, Signed(length));
    PushInteger(value);
    return absl::OkStatus();
  }

  // The only big-endian operand.
  absl::Status Float(int) {
    RCNN_ASSIGN_OR_RETURN(const absl::string_view taken, Take(8));
    uint64_t bits = 0;
    for (const char byte : taken) bits = bits << 8 | static_cast<uint8_t>(byte);
    std::memcpy(&PushNew(PickleKind::kFloat)->real, &bits, sizeof(bits));
    return absl::OkStatus();
  }

  absl::Status ReadText(PickleKind kind, int width_of_length) {
    RCNN_ASSIGN_OR_RETURN(const uint64_t length, Unsigned(width_of_length));
    RCNN_ASSIGN_OR_RETURN(const absl::string_view text, Take(length));
    PushText(kind, std::string(text));
    return absl::OkStatus();
  }

  absl::Status Text(int width) { return ReadText(PickleKind::kString, width); }
  absl::Status Bytes(int width) { return ReadText(PickleKind::kBytes, width); }

  absl::Status EmptyTuple(int) { return Tuple(0); }
  absl::Status EmptyList(int) {
    PushNew(PickleKind::kList);
    return absl::OkStatus();
  }
  absl::Status EmptyDict(int) {
    PushNew(PickleKind::kDict);
    return absl::OkStatus();
  }

  absl::Status Mark(int) {
    marks_.push_back(stack_.size());
    return absl::OkStatus();
  }

  absl::Status Tuple(int count) {
    RCNN_ASSIGN_OR_RETURN(auto items, PopItems(static_cast<size_t>(count)));
    PushTuple(std::move(items));
    return absl::OkStatus();
  }

  absl::Status MarkedTuple(int) {
    RCNN_ASSIGN_OR_RETURN(auto items, PopToMark());
    PushTuple(std::move(items));
    return absl::OkStatus();
  }

  absl::Status Extend(PickleKind kind, const std::vector<const Node*>& items) {
    RCNN_ASSIGN_OR_RETURN(Node* const node, Top());
    if (node->kind == PickleKind::kOther) return absl::OkStatus();
    if (node->kind != kind) {
      return Error(absl::StrCat("adds items to ", PickleKindName(node->kind)));
    }
    if (kind == PickleKind::kDict && items.size() % 2 != 0) return Error("a key without a value");
    used_bytes_ += kGrownItemBytes * items.size();
    node->items.insert(node->items.end(), items.begin(), items.end());
    return absl::OkStatus();
  }

  absl::Status Append(int) {
    RCNN_ASSIGN_OR_RETURN(const auto items, PopItems(1));
    return Extend(PickleKind::kList, items);
  }
  absl::Status Appends(int) {
    RCNN_ASSIGN_OR_RETURN(const auto items, PopToMark());
    return Extend(PickleKind::kList, items);
  }
  absl::Status SetItem(int) {
    RCNN_ASSIGN_OR_RETURN(const auto items, PopItems(2));
    return Extend(PickleKind::kDict, items);
  }
  absl::Status SetItems(int) {
    RCNN_ASSIGN_OR_RETURN(const auto items, PopToMark());
    return Extend(PickleKind::kDict, items);
  }

  // The memo: values by number, for repeated use.

  absl::Status Put(int width) {
    RCNN_ASSIGN_OR_RETURN(const uint64_t number, Unsigned(width));
    RCNN_ASSIGN_OR_RETURN(memo_[number], Top());
    return absl::OkStatus();
  }
  absl::Status Memoize(int) {
    RCNN_ASSIGN_OR_RETURN(memo_[memo_.size()], Top());
    return absl::OkStatus();
  }
  absl::Status Get(int width) {
    RCNN_ASSIGN_OR_RETURN(const uint64_t number, Unsigned(width));
    const auto found = memo_.find(number);
    if (found == memo_.end()) return Error(absl::StrCat("the memo has no entry ", number));
    stack_.push_back(found->second);
    ++repeated_;
    return absl::OkStatus();
  }

  // Globals and calls.

  absl::Status PushOther(absl::string_view name) {
    PushText(PickleKind::kOther, std::string(name.substr(0, kMaxShownName)));
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
    PushText(PickleKind::kGlobal, std::move(name));
    return absl::OkStatus();
  }

  absl::Status Global(int) {
    RCNN_ASSIGN_OR_RETURN(const absl::string_view module, Line());
    RCNN_ASSIGN_OR_RETURN(const absl::string_view name, Line());
    return PushGlobal(absl::StrCat(module, ".", name));
  }

  absl::Status StackGlobal(int) {
    RCNN_ASSIGN_OR_RETURN(const auto names, PopItems(2));
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
    RCNN_ASSIGN_OR_RETURN(const auto call, PopItems(2));
    if (call[0]->kind == PickleKind::kOther) return PushOther(call[0]->text);
    if (call[0]->kind != PickleKind::kGlobal) {
      return Error(absl::StrCat("calls ", PickleKindName(call[0]->kind)));
    }
    if (call[1]->kind != PickleKind::kTuple) {
      return Error(absl::StrCat("arguments that are ", PickleKindName(call[1]->kind)));
    }
    if (call[0]->text == kOrderedDict) return OrderedDict(call[1]->items);
    Node* const node = PushNew(PickleKind::kCall);
    node->callee = call[0];
    node->arguments = call[1];  // not a copy: one tuple may be passed many times
    return absl::OkStatus();
  }

  // Python 3 calls OrderedDict() and sets items; Python 2 passes a list of pairs.
  absl::Status OrderedDict(const std::vector<const Node*>& arguments) {
    Node* const dict = PushNew(PickleKind::kDict);
    if (arguments.empty()) return absl::OkStatus();
    if (arguments.size() > 1 || arguments[0]->kind != PickleKind::kList) {
      return Error("unknown arguments of OrderedDict");
    }
    used_bytes_ += 2 * kGrownItemBytes * arguments[0]->items.size();
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
    RCNN_ASSIGN_OR_RETURN(Node* const state, Pop());
    RCNN_ASSIGN_OR_RETURN(Node* const node, Top());
    if (node->kind == PickleKind::kOther) return absl::OkStatus();
    if (node->kind != PickleKind::kDict || state->kind != PickleKind::kDict) {
      return Error(absl::StrCat("sets the state of ", PickleKindName(node->kind)));
    }
    node->attributes = state;
    return absl::OkStatus();
  }

  // cls.__new__(cls, *arguments), with `items` values on the stack.
  absl::Status NewObject(int items) {
    RCNN_ASSIGN_OR_RETURN(const auto call, PopItems(static_cast<size_t>(items)));
    if (call[0]->kind == PickleKind::kOther) return PushOther(call[0]->text);
    return Error(absl::StrCat("makes an object of ", PickleKindName(call[0]->kind)));
  }

  absl::Status EmptySet(int) { return PushOther("builtins.set"); }
  absl::Status AddItems(int) {
    RCNN_ASSIGN_OR_RETURN(const auto items, PopToMark());
    return Extend(PickleKind::kOther, items);
  }
  absl::Status FrozenSet(int) {
    RCNN_RETURN_IF_ERROR(PopToMark().status());
    return PushOther("builtins.frozenset");
  }

  absl::Status PersistentId(int) {
    RCNN_ASSIGN_OR_RETURN(Node* const id, Pop());
    used_bytes_ += kTupleItemBytes + kBlockBytes;
    PushNew(PickleKind::kPersistentId)->items = {id};
    return absl::OkStatus();
  }

  const absl::string_view bytes_;
  const bool shortened_;  // to max_bytes
  const PickleOptions& options_;
  const size_t file_bytes_;
  size_t used_bytes_ = 0;  // of texts and items
  size_t most_stacked_ = 0;
  size_t most_marks_ = 0;
  std::deque<Node>& nodes_;
  std::array<Node*, kConstants> constants_{};
  size_t position_ = 0;
  size_t opcode_at_ = 0;
  std::vector<Node*> stack_;
  std::vector<size_t> marks_;  // sizes of the stack
  size_t repeated_ = 0;        // further references to values
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

absl::Status CheckPickleMemory(size_t needed, size_t file_bytes) {
  const size_t most = kFreePickleMemory + kPickleMemoryPerByte * file_bytes;
  if (needed <= most) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the pickle needs more than ", most, " bytes of memory, ", kPickleMemoryPerByte,
                   " times the size of the file: it is damaged or malicious"));
}

absl::string_view PickleKindName(PickleKind kind) {
  static constexpr absl::string_view kNames[] = {"None",
                                                 "a bool",
                                                 "an integer",
                                                 "a float",
                                                 "a string",
                                                 "bytes",
                                                 "a tuple",
                                                 "a list",
                                                 "a dict",
                                                 "a global",
                                                 "a called object",
                                                 "a persistent id",
                                                 "an object of another kind"};
  return kNames[static_cast<size_t>(kind)];
}

const PickleNode* FindInDict(const PickleNode& node, absl::string_view key) {
  if (node.kind != PickleKind::kDict) return nullptr;
  for (size_t i = node.items.size(); i >= 2; i -= 2) {
    const PickleNode& name = *node.items[i - 2];
    if (name.kind == PickleKind::kString && name.text == key) return node.items[i - 1];
  }
  return nullptr;
}

absl::StatusOr<Pickle> Pickle::Parse(absl::string_view bytes, const PickleOptions& options) {
  Pickle pickle;
  Machine machine(bytes, options, pickle.nodes_);
  RCNN_ASSIGN_OR_RETURN(pickle.root_, machine.Run());
  pickle.size_bytes_ = machine.position();
  return pickle;
}

}  // namespace rcnn::detection::weights
