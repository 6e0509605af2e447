// Whether the images that a model was trained on were turned as their EXIF data say.
//
// The answer is stored with the model (DetectorInputConfig.exif_applied), so that detection
// treats images as training did.

#ifndef RCNN_TRAINING_STAGES_EXIF_APPLIED_H_
#define RCNN_TRAINING_STAGES_EXIF_APPLIED_H_

#include <optional>

#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/dataset.h"

namespace rcnn::training {

// `images`: the dataset of `config`. nullopt if the config does not say, or leaves it to
// the annotated sizes or to the writer of shards and no image has a turn.
std::optional<bool> FindExifApplied(const configs::DatasetConfig& config,
                                    const data::Dataset& images);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_EXIF_APPLIED_H_
