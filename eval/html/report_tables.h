// The tables of a report, as HTML.
//
// A part of report_page.h.

#ifndef RCNN_EVAL_HTML_REPORT_TABLES_H_
#define RCNN_EVAL_HTML_REPORT_TABLES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "rcnn/eval/curves/confusion.h"
#include "rcnn/eval/errors/oracle_fixes.h"
#include "rcnn/eval/ground_truth.h"
#include "rcnn/eval/html/report_analysis.h"
#include "rcnn/eval/html/report_input.h"

namespace rcnn::eval {

// The positions of all classes, those with the most objects first.
std::vector<int64_t> ClassesByObjects(const ReportAnalysis& analysis);

// Metrics, best score and costliest error of the classes with objects or detections, or of the
// thousand with the most objects; and a note on the others.
std::string ClassTable(const ReportPageInput& input, const ReportAnalysis& analysis);

// The gain in AP50 by kind of error, with bars.
std::string CostBars(const ReportAnalysis& analysis);

// The gain in AP50 and the number of errors, by size and kind.
std::string SizeCostTable(const OracleFixes& fixes);

// The images with the most errors, folded away; "" if none has any.
std::string WorstImages(const ReportPageInput& input, const ReportAnalysis& analysis);

// Rows and columns are the positions `classes`, of which that after the last class is the
// background.
std::string ConfusionTable(const GroundTruth& truth, const ConfusionMatrix& matrix,
                           const std::vector<int32_t>& classes);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_HTML_REPORT_TABLES_H_
