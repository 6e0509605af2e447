// The cases of testdata/coco_eval_cases.json, with pycocotools' answers. For tests.

#ifndef RCNN_EVAL_TESTING_GOLDEN_CASES_H_
#define RCNN_EVAL_TESTING_GOLDEN_CASES_H_

#include <array>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval::testing {

// SHA-256 of the bytes of an array of float64, little-endian, as the files of cases have them.
std::string ArrayDigest(const std::vector<double>& values);

struct GoldenCase {
  std::string name;
  GroundTruth truth;
  Detections detections;
  std::array<double, 12> stats;
  // As ArrayDigest gives them, in C order.
  std::string precision_sha256;
  std::string recall_sha256;
  std::string scores_sha256;
};

absl::StatusOr<std::vector<GoldenCase>> ReadGoldenCases(const std::string& path);

}  // namespace rcnn::eval::testing

#endif  // RCNN_EVAL_TESTING_GOLDEN_CASES_H_
