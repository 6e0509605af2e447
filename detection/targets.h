// The annotations and the feature maps of a batch of images, in the form used by the detector's
// losses.

#ifndef RCNN_DETECTION_TARGETS_H_
#define RCNN_DETECTION_TARGETS_H_

#include <ATen/core/Tensor.h>
#include <c10/util/Optional.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "rcnn/ops/boxes.h"
#include "rcnn/ops/proposals.h"

namespace rcnn::detection {

// One image's ground truth; G >= 0 objects.
struct GroundTruth {
  at::Tensor boxes;     // [G, 4] float32, in pixels of the network's input
  at::Tensor labels;    // [G] int64, 1..K
  at::Tensor is_crowd;  // [G] bool; undefined: no crowds
  // Of the dataset. Random draws for an image depend on it, and not on the batch that it is in
  // (ops/counter_sampler.h), so images of one batch should differ in it.
  int64_t image_id = 0;
};

// The mask in the form of ops::MatchBoxes.
inline c10::optional<at::Tensor> CrowdMask(const GroundTruth& truth) {
  if (!truth.is_crowd.defined()) return c10::nullopt;
  return truth.is_crowd;
}

// One per image of the batch, in order.
using GroundTruths = std::vector<GroundTruth>;

// Sizes of the images of a batch, in order: pixels of the network's input without padding,
// and input pixels per pixel as stored. Host data on any device.
using InputSizes = std::vector<ops::InputSize>;

// The ground truth and the sizes of a batch of B images in tensors of a fixed size, on the device
// of the network (counted_truths.h). G >= 1 rows for each image.
struct CountedTruths {
  at::Tensor boxes;       // [B, G, 4] float32; 0 beyond the count
  at::Tensor labels;      // [B, G] int64, likewise
  at::Tensor is_crowd;    // [B, G] bool, likewise
  at::Tensor counts;      // [B] int64
  at::Tensor image_ids;   // [B] int64
  at::Tensor image_info;  // [B, 3] float32: height, width and scale of InputSizes
};

// What the anchors of an image depend on, besides the config: the sizes of its maps, finest first,
// and its own size as the network sees it, in pixels.
struct MapExtents {
  std::vector<ops::ImageSize> levels;
  ops::ImageSize image;
};

// What a batch is trained on: a size and a ground truth of each image.
struct TrainingTargets {
  InputSizes sizes;
  GroundTruths truths;
  // For each image, where several processes share the batch (ImageRange). Empty: the images of all
  // processes have one size.
  std::vector<MapExtents> extents = {};
  // If set, the losses wait for no device: anchors and RoIs are sampled into tensors of a fixed
  // size, `truths` are not read, and the losses' counts stay on the device. The picks are the same.
  c10::optional<CountedTruths> counted = c10::nullopt;
};

// The images [begin, end) of a batch, for one of several processes that share it. Each computes the
// network for its own images, draws the samples of all images in the same order, and divides by
// the counts of all: its losses are its part of the batch's losses, and the parts add up.
struct ImageRange {
  int64_t begin = 0;
  int64_t end = 0;
};

// Not set: the whole batch.
using OptionalRange = c10::optional<ImageRange>;

// The maps of images of one size, [B, C_l, H_l, W_l], finest first, and that size in pixels, as the
// network sees it.
struct FeatureMaps {
  std::vector<at::Tensor> levels;
  int64_t height = 0;
  int64_t width = 0;

  int64_t num_images() const { return levels.empty() ? 0 : levels.front().size(0); }
};

// The maps of a batch: one part of all images where they have one size, else one part for each
// image, in order (batch_map.h).
struct BatchFeatures {
  BatchFeatures() = default;
  // Of images of one size. Implicit, as these are a batch.
  BatchFeatures(FeatureMaps maps) { parts.push_back(std::move(maps)); }

  std::vector<FeatureMaps> parts;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_TARGETS_H_
