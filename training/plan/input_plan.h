// The scale of the images and the anchors, from the sizes of the objects.
//
// Rules:
//   scale    The smallest at which 95 % of the objects are at least kSmallObjectPx large and
//            half of them kMedianObjectPx (square root of the area), but at most 1.5 times
//            the images' own size (enlarging adds no detail) and 1,000 pixels; at least 224.
//   anchors  Half octaves over the sizes from the 1st to the 99th percentile at all scales of
//            training; heights / widths of 1/2, 1 and 2, and further octaves until 98 % of the
//            objects have one within half an octave.
//   recall   The share of objects whose best anchor has an IoU of 0.5. Below 98 % the scale
//            rises by tenths up to twice the images' own size and 1,000 pixels.
//
// Example:
//   const InputPlan input = PlanInput(data, {.stride_px = 8});
//   // input.scale.shortest_side_px 288, input.sizes_px {16, 22.6, ...}, input.recall 0.994

#ifndef RCNN_TRAINING_PLAN_INPUT_PLAN_H_
#define RCNN_TRAINING_PLAN_INPUT_PLAN_H_

#include <vector>

#include "rcnn/training/plan/data_fingerprint.h"

namespace rcnn::training {

inline constexpr double kSmallObjectPx = 20;
inline constexpr double kMedianObjectPx = 48;
inline constexpr double kWantedRecall = 0.98;
// Training scales images by these factors; evaluation by 1.
inline constexpr double kLeastJitter = 0.8;
inline constexpr double kMostJitter = 1.25;

struct InputPlan {
  InputScale scale;
  // Square roots of the anchors' areas, in pixels of the network's input; height / width.
  std::vector<double> sizes_px;
  std::vector<double> aspect_ratios;
  double stride_px = 8;
  // Share of the objects with an anchor at IoU 0.5, in [0, 1]; 1 without objects.
  double recall = 1;
};

struct InputOptions {
  // Stride of the map that the RPN works on, in pixels.
  double stride_px = 8;
  // Replaces the rule for the scale, in pixels; 0: by the rule.
  int shortest_side_px = 0;
};

// Applies the rules above.
InputPlan PlanInput(const DataFingerprint& data, const InputOptions& options);

// Adds to the shortest side a longest side, 2 to 3 times as long, that does not limit 95 % of the
// images even when they are kMostJitter times as large.
InputScale ScaleWithSide(const DataFingerprint& data, int shortest_side_px);

// Shortest sides in training, in pixels; evaluation uses the last.
std::vector<int> TrainingSides(const InputScale& scale);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_PLAN_INPUT_PLAN_H_
