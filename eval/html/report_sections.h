// The sections of a report that hold numbers and charts, as HTML.
//
// A part of report_page.h. Each function returns "" if it has nothing to show.

#ifndef RCNN_EVAL_HTML_REPORT_SECTIONS_H_
#define RCNN_EVAL_HTML_REPORT_SECTIONS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "rcnn/eval/html/report_analysis.h"
#include "rcnn/eval/html/report_input.h"

namespace rcnn::eval {

// "<section id="ID"><h2>TITLE</h2>BODY</section>", "" without a body. Not escaped.
std::string Section(absl::string_view id, absl::string_view title, absl::string_view body);

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

// The colour of a class on the whole page, "#rrggbb".
std::string ClassCssColor(int64_t category);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_HTML_REPORT_SECTIONS_H_
