// Computes everything that a report shows about one evaluation.
//
// A part of report_page.h.

#ifndef RCNN_EVAL_HTML_REPORT_ANALYSIS_H_
#define RCNN_EVAL_HTML_REPORT_ANALYSIS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/eval/coco_similarity.h"
#include "rcnn/eval/curves/class_curves.h"
#include "rcnn/eval/curves/confusion.h"
#include "rcnn/eval/curves/size_histogram.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/errors/detection_errors.h"
#include "rcnn/eval/errors/label_errors.h"
#include "rcnn/eval/errors/oracle_fixes.h"
#include "rcnn/eval/ground_truth.h"
#include "rcnn/eval/proposal_recall.h"

namespace rcnn::eval {

struct ReportAnalysis {
  DetectionErrors errors;
  OracleFixes fixes;
  ClassCurves curves;
  // At the score of the best F1 over all classes.
  ConfusionMatrix confusion;
  std::vector<SizeBin> sizes;
  std::vector<LabelSuspect> suspects;
  // Of the detections' boxes, whatever their classes; nothing for masks and keypoints.
  ProposalRecall recall;
};

// Errors are those of FindDetectionErrors. `truth` is normalized. shapes: null for boxes.
absl::StatusOr<ReportAnalysis> Analyze(const GroundTruth& truth, const Detections& detections,
                                       const CocoSimilarity* shapes, bool ignore_difficult,
                                       int threads);

// The kinds of errors, that with the highest dAP first.
std::vector<int> KindsByCost(const OracleFixes& fixes);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_HTML_REPORT_ANALYSIS_H_
