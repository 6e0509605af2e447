// Small random datasets with many edge cases of evaluation. For tests.
//
// Few distinct scores, sizes and positions, so that scores, IoUs and areas are
// often equal or exactly at a threshold; crowds, difficult objects, images and
// classes without annotations or without detections, an annotation id of 0, and
// occasionally more than 100 detections on an image.

#ifndef RCNN_EVAL_TESTING_RANDOM_CASE_H_
#define RCNN_EVAL_TESTING_RANDOM_CASE_H_

#include <cstdint>

#include "rcnn/eval/detections.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval::testing {

struct RandomCase {
  GroundTruth truth;
  Detections detections;
};

struct RandomCaseOptions {
  // Scores are multiples of 1/4 if set, otherwise all different.
  bool equal_scores = true;
  // Allows an annotation of id 0.
  bool zero_id = true;
};

// The same seed gives the same case.
RandomCase MakeRandomCase(uint64_t seed, const RandomCaseOptions& options = {});

}  // namespace rcnn::eval::testing

#endif  // RCNN_EVAL_TESTING_RANDOM_CASE_H_
