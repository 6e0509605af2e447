// The transform of one image and its boxes for the model: drawn first, applied
// later.
//
// Drawing needs only the size of the image, so a batch is planned and its memory
// allocated before anything is decoded. The draw depends only on the key of the
// random stream. batch_builder.h transforms the pixels.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(SampleTransform transform, DrawTransform(config, info, key));
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
  // Flipped vertically, before the resize.
  bool flipped_vertically = false;
  // Size of the model's input without padding, in pixels.
  int64_t height = 0;
  int64_t width = 0;
  // Input pixels per pixel of the stored image.
  double scale_y = 1;
  double scale_x = 1;
  // Pixels are mapped by the scale, which is the same along both axes, instead of
  // the ratio of the sides (ops::ResizeStep).
  bool place_by_scale = false;
  // A change of colour, before the resize.
  std::optional<ColorMatrix> color;

  // Maps a box to the model's input. info: the stored image; only its size is used.
  // inclusive: boxes include their last pixel (Dataset::inclusive_boxes()).
  Box Apply(const Box& box, const ImageInfo& info, bool inclusive) const;
};

// Larger inputs, in pixels, are an error.
inline constexpr int64_t kMaxInputPixels = int64_t{1} << 26;

// kInvalidArgument, naming the field, if a value is out of range.
absl::Status CheckTransformConfig(const configs::TransformConfig& config);

// The transform of evaluation: resize only, to the last of several scales.
// kInvalidArgument, naming the image, if the input would exceed kMaxInputPixels.
// `config` has passed CheckTransformConfig.
absl::StatusOr<SampleTransform> EvaluationTransform(const configs::TransformConfig& config,
                                                    const ImageInfo& info);

// The transform of training: one of the scales, a flip with AT_RANDOM, one with
// flip_vertically, and colours, each drawn from its own stream: `key` with the
// purpose "scale", "flip", "vertical flip" or "jitter", so that enabling one does
// not change the others. The scale is drawn with `scale_step` for the step of the key,
// so that the images of a batch may share it. Errors: those of EvaluationTransform.
absl::StatusOr<SampleTransform> DrawTransform(const configs::TransformConfig& config,
                                              const ImageInfo& info, StreamKey key,
                                              int64_t scale_step);
// With the key's own step.
absl::StatusOr<SampleTransform> DrawTransform(const configs::TransformConfig& config,
                                              const ImageInfo& info, StreamKey key);

}  // namespace rcnn::data

#endif  // RCNN_DATA_LOADER_SAMPLE_TRANSFORM_H_
