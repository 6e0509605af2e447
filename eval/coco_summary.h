// COCO's twelve numbers, and the averages that they consist of, also of single classes.
//
// Means add in numpy's order (pairwise_sum.h) and so equal those of pycocotools'
// summarize() to the last bit. A mean of no values is -1, as there.
//
// Source: cocoapi PythonAPI/pycocotools/cocoeval.py, summarize.

#ifndef RCNN_EVAL_COCO_SUMMARY_H_
#define RCNN_EVAL_COCO_SUMMARY_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "rcnn/eval/coco_evaluation.h"

namespace rcnn::eval {

// The entries of a CocoEvaluation to average. Values that were not evaluated give
// -1.
struct CocoSelection {
  // Absent: all.
  std::optional<double> iou_threshold = std::nullopt;
  std::string area = "all";
  int64_t max_detections = 100;
  // Index of a category; -1: all.
  int64_t category = -1;
};

// Mean of the precisions that are > -1, over IoU thresholds, recalls and
// categories: average precision (AP).
double AveragePrecision(const CocoEvaluation& evaluation, const CocoSelection& selection);

// Mean of the recalls that are > -1, over IoU thresholds and categories: average
// recall (AR).
double AverageRecall(const CocoEvaluation& evaluation, const CocoSelection& selection);

// pycocotools' COCOeval.stats.
struct CocoSummary {
  // AP, AP50, AP75, APsmall, APmedium, APlarge, AR@1, AR@10, AR@100, ARsmall,
  // ARmedium, ARlarge. Of keypoints AP, AP50, AP75, APmedium, APlarge, AR, AR50,
  // AR75, ARmedium, ARlarge, and two that are -1.
  std::array<double, 12> stats;

  double ap() const { return stats[0]; }
  double ap50() const { return stats[1]; }
  double ap75() const { return stats[2]; }
};

// As in pycocotools: stats[0] is at 100 detections; the others at the third of
// max_detections, stats[6] and [7] at its first and second; if there are fewer, at
// the last.
CocoSummary Summarize(const CocoEvaluation& evaluation);

// The limit of detections at which AP is quoted: 100; of keypoints the last of
// max_detections, officially 20.
int64_t QuotedMaxDetections(const CocoEvaluation& evaluation);

// The twelve lines of pycocotools' summarize(), ten for keypoints, each ended by a newline.
std::string FormatSummary(const CocoEvaluation& evaluation, const CocoSummary& summary);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_COCO_SUMMARY_H_
