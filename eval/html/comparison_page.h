// Two results on one dataset side by side, as one HTML file.
//
// Shows AP and its difference with confidence intervals, also per class, the cost of
// both results' errors, and the images that changed most with both results drawn.
//
// Example:
//   ComparisonPageInput input;
//   input.truth = &truth;
//   input.a = {"before", &before};
//   input.b = {"after", &after};
//   input.comparison = &comparison;
//   RCNN_ASSIGN_OR_RETURN(std::string html, MakeComparisonPage(input));

#ifndef RCNN_EVAL_HTML_COMPARISON_PAGE_H_
#define RCNN_EVAL_HTML_COMPARISON_PAGE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/eval/compare/bootstrap.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/ground_truth.h"
#include "rcnn/eval/html/example_figure.h"

namespace rcnn::eval {

struct ComparedResult {
  // For people: the name of a run or a file.
  std::string name;
  const Detections* detections = nullptr;
};

struct ComparisonPageInput {
  const GroundTruth* truth = nullptr;
  ComparedResult a;
  ComparedResult b;
  // Of these detections.
  const Comparison* comparison = nullptr;
  // Empty: boxes are drawn without images.
  LoadImageFunction load_image;
  // VOC: difficult objects are regions to ignore, for the errors.
  bool ignore_difficult = false;
  std::vector<std::pair<std::string, std::string>> environment = {};
  std::vector<std::string> commands = {};
  // Images drawn, at most.
  int64_t max_images = 40;
  // 0: all cores.
  int threads = 0;
};

// Errors are those of FindDetectionErrors, and of an image that cannot be read now.
absl::StatusOr<std::string> MakeComparisonPage(const ComparisonPageInput& input);

// The same numbers as a table for the terminal.
std::string FormatComparison(const Comparison& comparison, const GroundTruth& truth);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_HTML_COMPARISON_PAGE_H_
