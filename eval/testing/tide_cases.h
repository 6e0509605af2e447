// The cases of testdata/tide_cases.json and tide_mask_cases.json, with tidecv's
// answers. For tests.

#ifndef RCNN_EVAL_TESTING_TIDE_CASES_H_
#define RCNN_EVAL_TESTING_TIDE_CASES_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval::testing {

// `counts`, `dap` and each row of `size_dap` are in the order Cls, Loc, Both, Dupe, Bkg, Miss. AP
// and its gains (dap) are in percent.
struct TideAnswer {
  std::string name;
  int64_t max_detections = 0;
  double ap = 0;
  std::array<int64_t, 6> counts;
  std::array<double, 6> dap;
  double false_positive_dap = 0;
  double false_negative_dap = 0;
  std::array<std::array<double, 6>, 3> size_dap;  // small, medium, large
};

struct TideCase {
  TideAnswer answer;
  GroundTruth truth;
  Detections detections;
};

// Both readers return kInvalidArgument for a malformed file, and the errors of ReadFile.
absl::StatusOr<std::vector<TideCase>> ReadTideCases(const std::string& path);

// The contents of a COCO instances file and of COCO results.
struct TideMaskCase {
  TideAnswer answer;
  std::string truth;
  std::string results;
};

absl::StatusOr<std::vector<TideMaskCase>> ReadTideMaskCases(const std::string& path);

}  // namespace rcnn::eval::testing

#endif  // RCNN_EVAL_TESTING_TIDE_CASES_H_
