// Splits images into those that train, those that select a checkpoint, and those that only
// measure.
//
// Keyed by name: the parts do not depend on the order of the images. Images of one
// source go to one side. Classes are dealt out from the rarest to the most frequent, each
// in the proportion asked for (iterative stratification, Sechidis et al. 2011, with the
// order of the classes fixed), so that a rare one is in training first and then in
// every part that it suffices for. A part that many small classes leave with less than half of its
// share is filled up afterwards.
//
// An existing split is only added to: a new image joins the images of its source; one
// whose source is on two sides goes to training.
//
// Example:
//   const std::vector<SplitImage> images = {{"a.jpg", 0, {1, 2}}, {"b.jpg", 1, {1}}};
//   const PlannedSplit split = PlanSplit(images, {.val = 0.1, .test = 0.15});

#ifndef RCNN_DATA_SPLIT_PLAN_SPLIT_H_
#define RCNN_DATA_SPLIT_PLAN_SPLIT_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rcnn::data {

enum class SplitSide { kTrain, kVal, kTest };
inline constexpr int kSplitSides = 3;
inline constexpr std::array<SplitSide, kSplitSides> kAllSides = {SplitSide::kTrain, SplitSide::kVal,
                                                                 SplitSide::kTest};

// "train", "val" or "test".
inline const char* SideName(SplitSide side) {
  if (side == SplitSide::kTrain) return "train";
  return side == SplitSide::kVal ? "val" : "test";
}

struct SplitImage {
  std::string name;
  // Equal for images of one source; any number.
  int64_t group = 0;
  // Labels of its objects, each once.
  std::vector<int64_t> labels;
  // Its side in an existing split.
  std::optional<SplitSide> side = std::nullopt;
};

struct SplitShares {
  // Of the images, in [0, 1); the rest trains. 0: no such part. Each part that is asked
  // for is given one image, or all images of one source, at least.
  double val = 0;
  double test = 0;
};

struct PlannedSplit {
  // One per image.
  std::vector<SplitSide> side;
  // Indices of the new images whose source has images on more than one side; they train.
  std::vector<int64_t> torn;
};

// One side for each image. Deterministic; never fails.
PlannedSplit PlanSplit(const std::vector<SplitImage>& images, const SplitShares& shares);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SPLIT_PLAN_SPLIT_H_
