// An evaluation as one HTML file that explains itself.
//
// The numbers, what errors cost and where, examples, curves, confusion, calibration,
// sizes, labels to look at, and what is needed to repeat it. The file needs no
// network, no other file and, for its content, no script; it follows the reader's
// light or dark setting and fits a phone. All names are escaped.
//
// Example:
//   ReportPageInput input = {.title = "bccd val", .truth = &truth, ...};
//   RCNN_ASSIGN_OR_RETURN(std::string html, MakeReportPage(input));
//   RCNN_RETURN_IF_ERROR(WriteFileAtomically("report.html", html).status());

#ifndef RCNN_EVAL_HTML_REPORT_PAGE_H_
#define RCNN_EVAL_HTML_REPORT_PAGE_H_

#include <string>

#include "absl/status/statusor.h"
#include "rcnn/eval/html/report_input.h"

namespace rcnn::eval {

// Errors are those of FindDetectionErrors. Images that cannot be read are said on the
// page.
absl::StatusOr<std::string> MakeReportPage(const ReportPageInput& input);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_HTML_REPORT_PAGE_H_
