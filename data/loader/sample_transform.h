// What happens to one image and its boxes on the way to the model: drawn first,
// done later.
//
// Drawing needs the size of the image only, so a batch is planned, and memory
// for it taken, before anything is decoded. What is drawn depends on the key of
// the random stream alone. Pixels are handled by batch_builder.h.
//
// Example:
//   const SampleTransform transform = DrawTransform(config, info, {.seed = 3, ...});
//   const Box box = transform.Apply(object.box, info, dataset.inclusive_boxes());

#ifndef RCNN_DATA_LOADER_SAMPLE_TRANSFORM_H_
#define RCNN_DATA_LOADER_SAMPLE_TRANSFORM_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/base/stream_key.h"
#include "rcnn/configs/transform.pb.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/loader/color_matrix.h"

namespace rcnn::data {

struct SampleTransform {
  // Mirrored from left to right, before the resize.
  bool flipped = false;
  // Turned upside down, before the resize.
  bool flipped_vertically = false;
  // Size of the model's input without padding, in pixels.
  int64_t height = 0;
  int64_t width = 0;
  // Input pixels per pixel of the image as stored.
  double scale_y = 1;
  double scale_x = 1;
  // Pixels are placed by the scale, which is the same along both axes, and not by
  // the ratio of the sides (ops::ResizeStep).
  bool place_by_scale = false;
  // A change of colour, before the resize.
  std::optional<ColorMatrix> color;

  // The box in the model's input. info: of the image as stored, its size is read.
  // inclusive: boxes hold their last pixel (Dataset::inclusive_boxes()).
  Box Apply(const Box& box, const ImageInfo& info, bool inclusive) const;
};

// Larger inputs are refused, in pixels.
inline constexpr int64_t kMaxInputPixels = int64_t{1} << 26;

// kInvalidArgument, naming the field, if one is out of its range.
absl::Status CheckTransformConfig(const configs::TransformConfig& config);

// The transform of evaluation: resize only, to the last of several scales.
// kInvalidArgument, naming the image, if the input would exceed kMaxInputPixels.
// `config` has passed CheckTransformConfig.
absl::StatusOr<SampleTransform> EvaluationTransform(const configs::TransformConfig& config,
                                                    const ImageInfo& info);

// The transform of training: one of the scales, a flip with AT_RANDOM, one with
// flip_vertically, and colours, each drawn from a stream of its own: `key` with the
// purpose "scale", "flip", "vertical flip" or "jitter", so that switching one on
// leaves the others as they were.
absl::StatusOr<SampleTransform> DrawTransform(const configs::TransformConfig& config,
                                              const ImageInfo& info, StreamKey key);

}  // namespace rcnn::data

#endif  // RCNN_DATA_LOADER_SAMPLE_TRANSFORM_H_
