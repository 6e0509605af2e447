// The losses and validations of a training stage, from the metrics.jsonl that it has written.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const std::string lines, ReadFile(path));
//   std::vector<TrainingCurve> curves = LossCurves("joint", lines);

#ifndef RCNN_EVAL_HTML_LOSS_CURVES_H_
#define RCNN_EVAL_HTML_LOSS_CURVES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "rcnn/eval/html/report_input.h"

namespace rcnn::eval {

// The losses and validations of a metrics.jsonl, each of at most about `most_points`, which are
// means of the lines between. Lines that are not JSON objects (torn ones) are left out.
std::vector<TrainingCurve> LossCurves(const std::string& stage, absl::string_view lines,
                                      size_t most_points = 200);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_HTML_LOSS_CURVES_H_
