// Metadata of a detector's weights, and its check against a config.
//
// Shapes do not reveal every mismatch: weights used with different anchors of the
// same number, with BGR for RGB, or with the classes in another order give
// plausible nonsense. So these three facts are stored in the metadata of the
// weights file.
//
//   anchors        the anchors' config as one line of text, defaults written out
//   class_names    one name per line, in order
//   image_...      see weights/image_normalization.h
//
// Example:
//   SetModelMetadata(config, weights.metadata());
//   RCNN_RETURN_IF_ERROR(CheckModelMetadata(config, weights.metadata()));

#ifndef RCNN_DETECTION_MODEL_METADATA_H_
#define RCNN_DETECTION_MODEL_METADATA_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "rcnn/configs/model.pb.h"

namespace rcnn::detection {

// Writes these keys and keeps all others. The config must be valid
// (CheckDetectorConfig in model_directory.h).
void SetModelMetadata(const configs::DetectorConfig& config,
                      std::map<std::string, std::string>& metadata);

// kFailedPrecondition naming what differs: other anchors, other normalisation of
// pixels, or names that both sides know in another order. Names that only one side
// has count as renamed classes. Missing facts are not checked.
absl::Status CheckModelMetadata(const configs::DetectorConfig& config,
                                const std::map<std::string, std::string>& metadata);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_MODEL_METADATA_H_
