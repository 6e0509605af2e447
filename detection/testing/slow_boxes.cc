#include "rcnn/detection/testing/slow_boxes.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace rcnn::detection {

SlowBox BoxAt(const at::Tensor& boxes, int64_t i) {
  SlowBox box;
  for (int64_t j = 0; j < 4; ++j) box[static_cast<size_t>(j)] = boxes[i][j].item<double>();
  return box;
}

double SlowIou(const SlowBox& a, const SlowBox& b, double plus) {
  const auto area = [&](const SlowBox& box) {
    return (box[2] - box[0] + plus) * (box[3] - box[1] + plus);
  };
  const double width = std::min(a[2], b[2]) - std::max(a[0], b[0]) + plus;
  const double height = std::min(a[3], b[3]) - std::max(a[1], b[1]) + plus;
  const double shared = std::max(width, 0.0) * std::max(height, 0.0);
  const double all = area(a) + area(b) - shared;
  return all > 0 ? shared / all : 0;
}

SlowDeltas SlowEncode(const SlowBox& box, const SlowBox& object, const SlowDeltas& weights,
                      double plus) {
  SlowDeltas deltas;
  for (size_t axis = 0; axis < 2; ++axis) {
    const double side = box[axis + 2] - box[axis] + plus;
    const double wanted = object[axis + 2] - object[axis] + plus;
    const double center = box[axis] + side / 2, wanted_center = object[axis] + wanted / 2;
    deltas[axis] = weights[axis] * (wanted_center - center) / side;
    deltas[axis + 2] = weights[axis + 2] * std::log(wanted / side);
  }
  return deltas;
}

SlowBox SlowDecode(const SlowBox& box, const SlowDeltas& deltas, const SlowDeltas& weights,
                   double plus, double larger) {
  SlowBox decoded;
  for (size_t axis = 0; axis < 2; ++axis) {
    const double side = box[axis + 2] - box[axis] + plus;
    const double center = box[axis] + side / 2 + deltas[axis] / weights[axis] * side;
    const double half = std::exp(deltas[axis + 2] / weights[axis + 2]) * side / 2;
    decoded[axis] = center - half;
    decoded[axis + 2] = center + half - plus + larger;
  }
  return decoded;
}

SlowBox SlowClip(const SlowBox& box, double height, double width, double plus) {
  const double most[] = {width - plus, height - plus};
  SlowBox clipped;
  for (size_t i = 0; i < 4; ++i) clipped[i] = std::min(std::max(box[i], 0.0), most[i % 2]);
  return clipped;
}

std::vector<size_t> SlowNms(const std::vector<SlowBox>& boxes, double iou, double plus) {
  std::vector<size_t> kept;
  for (size_t i = 0; i < boxes.size(); ++i) {
    const bool covered = std::any_of(kept.begin(), kept.end(), [&](size_t j) {
      return SlowIou(boxes[i], boxes[j], plus) > iou;
    });
    if (!covered) kept.push_back(i);
  }
  return kept;
}

}  // namespace rcnn::detection
