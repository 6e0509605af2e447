// The sizes of the feature maps of an image that is not computed.
//
// Heights of maps depend only on the height of the image, and widths on the width, so narrow
// strips determine them at a fraction of the work, once for each length.
//
// Example:
//   MapSizes sizes(*model);
//   const int64_t finest = sizes.Heights(600).front();

#ifndef RCNN_TRAINING_TRAINER_MAP_SIZES_H_
#define RCNN_TRAINING_TRAINER_MAP_SIZES_H_

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/targets.h"
#include "rcnn/ops/boxes.h"

namespace rcnn::training {

class MapSizes {
 public:
  // The model outlives this object. Norms that are training keep their statistics.
  explicit MapSizes(detection::FasterRcnn& model) : model_(model) {}

  // The heights of all maps of an input of `pixels` rows, finest first; likewise the widths.
  // Throws c10::Error if the network rejects the size.
  const std::vector<int64_t>& Heights(int64_t pixels) { return Lengths(pixels, 2); }
  const std::vector<int64_t>& Widths(int64_t pixels) { return Lengths(pixels, 3); }

  // Both, of an input of this size.
  detection::MapExtents Extents(const ops::ImageSize& input);

 private:
  const std::vector<int64_t>& Lengths(int64_t pixels, int64_t dimension);

  detection::FasterRcnn& model_;
  std::map<std::pair<int64_t, int64_t>, std::vector<int64_t>> lengths_;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_MAP_SIZES_H_
