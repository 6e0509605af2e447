// The stack of the machine that reads a pickle (pickle.h): values, and the marks below which no
// opcode may pop.
//
// Example:
//   PickleStack stack(bytes, memory, nodes);
//   stack.Mark();
//   stack.PushInteger(7);
//   RCNN_ASSIGN_OR_RETURN(auto items, stack.PopToMark());
//   stack.PushTuple(std::move(items));

#ifndef RCNN_DETECTION_WEIGHTS_PICKLE_STACK_H_
#define RCNN_DETECTION_WEIGHTS_PICKLE_STACK_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/detection/weights/pickle_bytes.h"
#include "rcnn/detection/weights/pickle_memory.h"
#include "rcnn/detection/weights/pickle_node.h"

namespace rcnn::detection::weights {

// Errors are kInvalidArgument with the position of the opcode.
class PickleStack {
 public:
  // New values become nodes of `nodes`, and their memory that of `memory`. `bytes` names the
  // position of errors. All must outlive it.
  PickleStack(const PickleBytes& bytes, PickleMemory& memory, std::deque<PickleNode>& nodes)
      : bytes_(bytes), memory_(memory), nodes_(nodes) {}

  // Pushes a new value, which is returned.
  PickleNode* PushNew(PickleKind kind);
  void PushText(PickleKind kind, std::string text);
  // These are immutable, so equal ones may share a node: None, bools, integers in [0, 256) and ().
  void PushNone();
  void PushBool(bool value);
  void PushInteger(int64_t value);
  void PushTuple(std::vector<const PickleNode*> items);
  // Pushes an existing value once more.
  void Push(PickleNode* node) { stack_.push_back(node); }

  absl::StatusOr<PickleNode*> Pop();
  absl::StatusOr<PickleNode*> Top();
  // The last `count` values, in the order in which they were pushed.
  absl::StatusOr<std::vector<const PickleNode*>> PopItems(size_t count);

  // Begins a list of values, which PopToMark returns and ends.
  void Mark() { marks_.push_back(stack_.size()); }
  absl::StatusOr<std::vector<const PickleNode*>> PopToMark();

  size_t size() const { return stack_.size(); }
  size_t num_marks() const { return marks_.size(); }

 private:
  // Frequent values of one byte have one node each: integers by their value, then these.
  enum Constant : size_t { kNone = 256, kFalse, kTrue, kEmptyTuple, kConstants };

  PickleNode* New(PickleKind kind);
  void PushConstant(size_t constant, PickleKind kind, int64_t value = 0);
  size_t Bottom() const { return marks_.empty() ? 0 : marks_.back(); }

  const PickleBytes& bytes_;
  PickleMemory& memory_;
  std::deque<PickleNode>& nodes_;
  std::array<PickleNode*, kConstants> constants_{};
  std::vector<PickleNode*> stack_;
  std::vector<size_t> marks_;  // sizes of the stack
};

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_PICKLE_STACK_H_
