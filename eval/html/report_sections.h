// The sections of a report that hold numbers and charts (report_tables.h, report_charts.h), as
// HTML.
//
// A part of report_page.h. Each function returns "" if it has nothing to show.

#ifndef RCNN_EVAL_HTML_REPORT_SECTIONS_H_
#define RCNN_EVAL_HTML_REPORT_SECTIONS_H_

#include <string>

#include "rcnn/eval/html/report_analysis.h"
#include "rcnn/eval/html/report_input.h"

namespace rcnn::eval {

std::string HeaderHtml(const ReportPageInput& input, const ReportAnalysis& analysis);
std::string SummaryBody(const ReportPageInput& input, const ReportAnalysis& analysis);
std::string TrainingBody(const ReportPageInput& input);
std::string ClassesBody(const ReportPageInput& input, const ReportAnalysis& analysis);
// The cost of errors by kind and size, without examples.
std::string ErrorCostBody(const ReportPageInput& input, const ReportAnalysis& analysis);
std::string CurvesBody(const ReportPageInput& input, const ReportAnalysis& analysis);
std::string ConfusionBody(const ReportPageInput& input, const ReportAnalysis& analysis);
std::string CalibrationBody(const ReportAnalysis& analysis);
std::string SizesBody(const ReportPageInput& input, const ReportAnalysis& analysis);
std::string ConfigBody(const ReportPageInput& input);
std::string EnvironmentBody(const ReportPageInput& input);
std::string ReproduceBody(const ReportPageInput& input);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_HTML_REPORT_SECTIONS_H_
