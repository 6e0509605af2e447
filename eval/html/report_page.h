// An evaluation as one self-explanatory HTML file.
//
// Shows the metrics, the cost of errors, examples, curves, confusion, calibration,
// sizes, suspected labels, and the commands to repeat the evaluation. The file needs
// no network, no other file and, for its content, no script. It follows the reader's
// light or dark setting and fits a phone. All names are escaped.
//
// Example:
//   ReportPageInput input;
//   input.title = "bccd val";
//   input.truth = &truth;
//   input.detections = &detections;
//   input.report = &report;
//   RCNN_ASSIGN_OR_RETURN(std::string html, MakeReportPage(input));
//   RCNN_RETURN_IF_ERROR(WriteFileAtomically("report.html", html).status());

#ifndef RCNN_EVAL_HTML_REPORT_PAGE_H_
#define RCNN_EVAL_HTML_REPORT_PAGE_H_

#include <string>

#include "absl/status/statusor.h"
#include "rcnn/eval/html/report_input.h"

namespace rcnn::eval {

// Errors are those of FindDetectionErrors, and of an image that cannot be read now
// (IsUnreadableNow, base/stored_file.h). The page reports other images that cannot be read.
absl::StatusOr<std::string> MakeReportPage(const ReportPageInput& input);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_HTML_REPORT_PAGE_H_
