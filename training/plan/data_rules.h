// The rules of a plan other than scale and anchors: batch, repeats, flips, limits of proposals
// and detections, and how scale and network follow from what the budget allows.
//
// Example:
//   PlanChoices choices = ChooseByData(data);

#ifndef RCNN_TRAINING_PLAN_DATA_RULES_H_
#define RCNN_TRAINING_PLAN_DATA_RULES_H_

#include "rcnn/training/plan/data_fingerprint.h"
#include "rcnn/training/plan/plan_recipe.h"

namespace rcnn::training {

// Classes in fewer images than this share are repeated.
inline constexpr double kRareClassShare = 0.1;
// Below this share of the wanted presentations the tiny network is trained.
inline constexpr double kTinyBelow = 0.25;

// What follows from the data: repeats, mirroring, limits of proposals and detections, the
// cache of images, the batch if there are very few images. Not the input and the backbone.
PlanChoices ChooseByData(const DataFingerprint& data);

// Images that training should see: 12 for each image, at least 6,000 and at most 24,000 from
// random weights, a third of that from pretrained ones.
double WantedPresentations(const DataFingerprint& data, bool pretrained);

// The factor on the scale when the budget allows `share` times the wanted presentations, in
// [0.7, 1.25]. Time is proportional to the square of the scale.
double ScaleChange(double share);

// The shortest side times `factor`, in pixels: a multiple of 8, at least 160, and beyond
// `shortest_side_px` only up to 1.5 times the images' own size.
int ChangedSide(const DataFingerprint& data, int shortest_side_px, double factor);

// 2; 4 from ten times the wanted presentations, 8 from forty times. At most the number of images
// with objects, because an epoch has at least one whole batch.
int ImagesPerBatch(const DataFingerprint& data, double share);

// Whether a class tells left from right, so that mirroring would change it: a word "left" or
// "right" in its name.
bool TellsSides(const DataFingerprint& data);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_PLAN_DATA_RULES_H_
