// Times two implementations of the same work in alternation and prints a comparison.
//
// Example:
//   Comparison table(/*rounds=*/9);
//   table.Add({"NMS 6000",
//              0.08,
//              {[&] { Nms(boxes, scores, {.iou_threshold = 0.7}); }},
//              {[&] { TorchvisionNms(boxes, scores, 0.7); }}});

#ifndef RCNN_OPS_COMPARISON_ALTERNATE_H_
#define RCNN_OPS_COMPARISON_ALTERNATE_H_

#include <functional>
#include <string>
#include <vector>

namespace rcnn::ops {

struct ComparedWork {
  std::string name;
  // rcnn's time over the peer's, at most.
  double target_ratio;
  // Variants of the work (memory formats); the fastest of each side counts.
  std::vector<std::function<void()>> rcnn;
  std::vector<std::function<void()>> peer;
};

class Comparison {
 public:
  // Each variant runs once to warm up and then `rounds` >= 5 times, alternating
  // with the others; its time is the median.
  explicit Comparison(int rounds);

  // Runs `work` and prints its row of a Markdown table: medians in ms with the
  // lowest and highest, ratio and target.
  void Add(const ComparedWork& work);

 private:
  int rounds_;
};

}  // namespace rcnn::ops

#endif  // RCNN_OPS_COMPARISON_ALTERNATE_H_
