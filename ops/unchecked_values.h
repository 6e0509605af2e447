// Calls operators without their value checks.
//
// For callers that have checked values once, where they entered: a model checks ground
// truth, given proposals and the network's output, and what operators make of them is
// valid. On other devices than the CPU values are never checked.
//
// Still checked are shapes, dtypes, options, and the values that decide what an operator
// reads: the rows of RoIs, labels, row numbers, and scores, which are sorted. So a value
// that should have been checked gives a meaningless number, but no access outside a tensor.
// GenerateProposals (proposals.h) still checks logits and deltas, which it reads anyway.
//
// Example:
//   CheckBoxes(gt_boxes, "gt_boxes");
//   const UncheckedValues unchecked;  // until the end of the block
//   Matches matches = MatchBoxes(anchors, gt_boxes, options);

#ifndef RCNN_OPS_UNCHECKED_VALUES_H_
#define RCNN_OPS_UNCHECKED_VALUES_H_

namespace rcnn::ops {

// While one lives, operators called by this thread check no values. Destroy in the reverse order
// of construction, as at::NoGradGuard.
class UncheckedValues {
 public:
  UncheckedValues();
  ~UncheckedValues();

  UncheckedValues(const UncheckedValues&) = delete;
  UncheckedValues& operator=(const UncheckedValues&) = delete;

 private:
  bool checked_before_;
};

// Whether this thread's operators check values: true unless an UncheckedValues lives.
bool ValuesAreChecked();

}  // namespace rcnn::ops

#endif  // RCNN_OPS_UNCHECKED_VALUES_H_
