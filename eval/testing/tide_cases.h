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

// Numbers in percent, errors in the order Cls, Loc, Both, Dupe, Bkg, Miss.
struct TideAnswer {
  std::string name;
  int64_t max_detections = 0;
  double ap = 0;
  std::array<double, 6> main;
  std::array<double, 2> special;  // false positives, false negatives
  std::array<int64_t, 6> counts;
  std::array<std::array<double, 6>, 3> sizes;  // small, medium, large
};

struct TideCase {
  TideAnswer answer;
  GroundTruth truth;
  Detections detections;
};

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
