// A detector with random weights, images and comparisons, for tests of inference.

#ifndef RCNN_TRAINING_TESTING_INFERENCE_CASES_H_
#define RCNN_TRAINING_TESTING_INFERENCE_CASES_H_

#include <cstdint>
#include <memory>
#include <string>

#include "rcnn/data/core/dataset.h"
#include "rcnn/data/testing/fake_dataset.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/eval/detections.h"
#include "rcnn/training/stages/inference_options.h"
#include "rcnn/training/stages/inferred_image.h"

namespace rcnn::training::testing {

inline constexpr char kInferenceModel[] =
    "backbone { tiny { channels: 8 } }"
    "rpn { anchors { size_px: [16, 32] aspect_ratio: 1 } channels: 16"
    "      test_proposals { before_nms: 50 after_nms: 10 } }"
    "head { fc { fc_channels: [16] } detections { min_score: 0.1 } }"
    "normalization { mean: [127.5, 127.5, 127.5] std: [64, 64, 64] }";

// Of two classes, with random weights, but with scores that are far from equal.
std::shared_ptr<detection::FasterRcnn> InferenceModel(uint64_t seed = 1,
                                                      const std::string& config = kInferenceModel);

// Generated images of 64 x 48 pixels with objects of two classes.
std::shared_ptr<const data::Dataset> SmallShapes(int64_t count = 3);

// Landscape and portrait mixed, and one of a size of its own.
std::shared_ptr<data::testing::FakeDataset> MixedSizes();

// `transform`: a TransformConfig as text.
InferenceOptions MakeOptions(const std::string& transform = "");

// The sets are the same up to rounding, in whatever order.
void ExpectSame(const eval::Detections& a, const eval::Detections& b, double tolerance);

void ExpectSameScores(const InferredProposals& a, const InferredProposals& b, double tolerance);

}  // namespace rcnn::training::testing

#endif  // RCNN_TRAINING_TESTING_INFERENCE_CASES_H_
