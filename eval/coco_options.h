// Options of COCO's evaluation: IoU thresholds, recalls, area ranges, detections
// per image.
//
// The defaults are the official ones of COCO, as numpy rounds them.
//
// Example:
//   CocoEvalOptions options;
//   options.max_detections = {1, 10, 100, 1000};

#ifndef RCNN_EVAL_COCO_OPTIONS_H_
#define RCNN_EVAL_COCO_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace rcnn::eval {

// Objects with an area in [low, high], in square pixels.
struct AreaRange {
  std::string name;
  double low = 0;
  double high = 0;
};

// numpy.linspace(0.5, 0.95, 10): the ninth is 0.8999999999999999.
std::vector<double> CocoIouThresholds();

// numpy.linspace(0, 1, 101).
std::vector<double> CocoRecallThresholds();

// all, small (<= 32 x 32), medium, large (>= 96 x 96).
std::vector<AreaRange> CocoAreaRanges();

// What is compared.
enum class IouType { kBoxes, kMasks, kKeypoints };

struct CocoEvalOptions {
  // Selects the summary's numbers (coco_summary.h). The shapes to compare are an
  // argument of EvaluateCoco.
  IouType iou_type = IouType::kBoxes;
  // In [0, 1], at least one.
  std::vector<double> iou_thresholds = CocoIouThresholds();
  // Ascending, at least one.
  std::vector<double> recall_thresholds = CocoRecallThresholds();
  // At least one; every low <= high.
  std::vector<AreaRange> areas = CocoAreaRanges();
  // Limits on the detections per image and category, best first. At least one
  // limit, each >= 1; sorted ascending.
  std::vector<int64_t> max_detections = {1, 10, 100};
  // 0: all cores.
  int threads = 0;
};

// The official ones of keypoints: no small objects, 20 detections.
CocoEvalOptions CocoKeypointOptions();

// kInvalidArgument naming the value that is outside the ranges above.
absl::Status CheckOptions(const CocoEvalOptions& options);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_COCO_OPTIONS_H_
