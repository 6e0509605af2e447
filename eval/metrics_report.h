// The results of an evaluation as a readable table and as JSON.
//
// Example:
//   Report report;
//   RCNN_ASSIGN_OR_RETURN(report.coco, EvaluateCoco(truth, detections));
//   std::cout << FormatReport(report);

#ifndef RCNN_EVAL_METRICS_REPORT_H_
#define RCNN_EVAL_METRICS_REPORT_H_

#include <optional>
#include <string>
#include <vector>

#include "rcnn/eval/coco_evaluation.h"
#include "rcnn/eval/metrics.h"
#include "rcnn/eval/voc_eval.h"

namespace rcnn::eval {

struct Report {
  // The dataset's name as given by the user.
  std::string dataset;
  std::string detections;
  int64_t images = 0;
  // Both have the same categories.
  std::optional<CocoEvaluation> coco;
  std::optional<VocEvaluation> voc;
  // Which of VOC's two metrics were requested.
  bool voc07 = false;
  bool voc10 = false;
};

// All numbers by name: CocoMetrics, voc07, voc10.
std::vector<Metric> ReportMetrics(const Report& report);

// One line per class and one for all, in percent, "-" if undefined; then COCO's
// twelve lines, and average recall at each further limit of detections. Every code point of a name
// counts as one column.
std::string FormatReport(const Report& report);

// {"dataset": ..., "metrics": {"ap": ...}, "classes": [{"name": ..., "ap": ...}]}
// Numbers have the digits that read back as the same double; undefined ones are
// null.
std::string ReportToJson(const Report& report);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_METRICS_REPORT_H_
