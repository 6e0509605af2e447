#include "rcnn/detection/weights/pickle_stack.h"

#include <utility>

#include "absl/status/status.h"

namespace rcnn::detection::weights {

PickleNode* PickleStack::New(PickleKind kind) {
  nodes_.emplace_back();
  nodes_.back().kind = kind;
  return &nodes_.back();
}

PickleNode* PickleStack::PushNew(PickleKind kind) {
  stack_.push_back(New(kind));
  return stack_.back();
}

void PickleStack::PushText(PickleKind kind, std::string text) {
  memory_.AddText(text.size());
  PushNew(kind)->text = std::move(text);
}

void PickleStack::PushConstant(size_t constant, PickleKind kind, int64_t value) {
  PickleNode*& node = constants_[constant];
  if (node == nullptr) {
    node = New(kind);
    node->integer = value;
  }
  stack_.push_back(node);
}

void PickleStack::PushNone() { PushConstant(kNone, PickleKind::kNone); }

void PickleStack::PushBool(bool value) {
  PushConstant(value ? kTrue : kFalse, PickleKind::kBool, value ? 1 : 0);
}

void PickleStack::PushInteger(int64_t value) {
  if (value >= 0 && value < int64_t{kNone}) {
    PushConstant(static_cast<size_t>(value), PickleKind::kInteger, value);
  } else {
    PushNew(PickleKind::kInteger)->integer = value;
  }
}

void PickleStack::PushTuple(std::vector<const PickleNode*> items) {
  if (items.empty()) return PushConstant(kEmptyTuple, PickleKind::kTuple);
  memory_.AddTuple(items.size());
  PushNew(PickleKind::kTuple)->items = std::move(items);
}

absl::StatusOr<PickleNode*> PickleStack::Pop() {
  if (stack_.size() <= Bottom()) return bytes_.Error("pops from an empty stack");
  PickleNode* const node = stack_.back();
  stack_.pop_back();
  return node;
}

absl::StatusOr<PickleNode*> PickleStack::Top() {
  if (stack_.size() <= Bottom()) return bytes_.Error("reads from an empty stack");
  return stack_.back();
}

absl::StatusOr<std::vector<const PickleNode*>> PickleStack::PopItems(size_t count) {
  if (stack_.size() - Bottom() < count) return bytes_.Error("pops from an empty stack");
  std::vector<const PickleNode*> items(stack_.end() - static_cast<int64_t>(count), stack_.end());
  stack_.resize(stack_.size() - count);
  return items;
}

absl::StatusOr<std::vector<const PickleNode*>> PickleStack::PopToMark() {
  if (marks_.empty()) return bytes_.Error("the stack has no mark");
  auto items = PopItems(stack_.size() - Bottom());
  marks_.pop_back();
  return items;
}

}  // namespace rcnn::detection::weights
