// The charts of a report, as SVG.
//
// A part of report_page.h.

#ifndef RCNN_EVAL_HTML_REPORT_CHARTS_H_
#define RCNN_EVAL_HTML_REPORT_CHARTS_H_

#include <string>
#include <vector>

#include "rcnn/eval/curves/class_curves.h"
#include "rcnn/eval/curves/size_histogram.h"
#include "rcnn/eval/html/report_input.h"
#include "rcnn/eval/proposal_recall.h"

namespace rcnn::eval {

// Marks the best F1. `name`: of the class, for screen readers; `color`: CSS; `width` in pixels.
std::string PrecisionRecallChart(const std::string& name, const ClassCurve& curve,
                                 const std::string& color, int width);

// Precision, recall and F1 by score threshold.
std::string ScoreChart(const ClassCurve& curve);

// The share of correct detections by their score.
std::string ReliabilityChart(const ClassCurve& curve);

// The number of detections by score, correct and false.
std::string ScoreHistogram(const ClassCurve& curve);

// Recall by number of boxes per image. boxes: "boxes" or "proposals".
std::string RecallChart(const ProposalRecall& recall, const std::string& boxes);

// Objects found and missed, by size. `sizes` is not empty.
std::string SizeChart(const std::vector<SizeBin>& sizes);

// The losses of a stage by iteration, or its validations, with its name as heading. `curves`,
// all of one of the two, are not empty.
std::string StageChart(const std::string& stage, const std::vector<const TrainingCurve*>& curves);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_HTML_REPORT_CHARTS_H_
