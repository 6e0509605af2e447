// A batch for training or evaluation: images as one tensor, and the annotations of
// each.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(Batch batch, loader->Next());
//   at::Tensor features = Backbone(batch.images);
//   for (const BatchImage& image : batch.entries) Use(image.boxes, image.labels);

#ifndef RCNN_DATA_LOADER_BATCH_H_
#define RCNN_DATA_LOADER_BATCH_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "rcnn/data/core/sample.h"
#include "rcnn/ops/preprocess.h"

namespace rcnn::data {

// One image of a batch. Boxes and proposals are float32 [., 4], x1, y1, x2, y2,
// in pixels of the model's input: mirrored with the image, then scaled. In a
// dataset of inclusive boxes (Dataset::inclusive_boxes()) they are inclusive
// before the scaling.
struct BatchImage {
  // The stored image; `flipped` if this is its mirror image, and
  // `flipped_vertically` if it is flipped vertically.
  ImageInfo info;
  // Its index in the dataset.
  int64_t index = 0;
  // Size in the batch without padding, in pixels; the padding is 0.
  int64_t height = 0;
  int64_t width = 0;
  // Rows and columns of the padding that the image has in every batch, and alone: they round its
  // size up to TransformConfig.pad_to_multiple_px.
  int64_t own_padding_y = 0;
  int64_t own_padding_x = 0;
  // Input pixels per pixel of the stored image; divide to map back.
  double scale_y = 1;
  double scale_x = 1;
  // False if BatchBuilderOptions::needs_pixels returned false: this image's part of
  // Batch::images is then unspecified. Also for images that other processes take.
  bool has_pixels = true;
  // With BatchBuilderOptions::keep_bytes and pixels: RGB as decoded, upside down and with changed
  // colours if the image is, [H, W, 3] uint8, and what makes the input of it (ops::Preprocess).
  at::Tensor bytes = {};
  ops::PreprocessOptions preprocess = {};
  // G >= 0 objects, in the order of the annotations.
  at::Tensor boxes;      // [G, 4]
  at::Tensor labels;     // [G] int64, 1..K
  at::Tensor crowd;      // [G] bool
  at::Tensor difficult;  // [G] bool
  // P >= 0 proposals, best first; undefined if the loader has no proposals.
  at::Tensor proposals;        // [P, 4]
  at::Tensor proposal_scores;  // [P] float32
};

struct Batch {
  int64_t iteration = 0;
  int64_t epoch = 0;
  // float32 [B, 3, H, W], contiguous: normalised, in the model's channel order,
  // padded with 0 at the bottom and on the right. Networks read no padding but an image's own
  // (detection/batch_map.h). Of all entries, or, if several processes share
  // the batch (BatchPart), only of those that this process takes: [own_begin, own_end()). H and W
  // are those of the whole batch. With BatchBuilderOptions::keep_bytes only the sizes count.
  at::Tensor images;
  int64_t own_begin = 0;
  int64_t own_end() const { return own_begin + images.size(0); }
  // All images of the batch.
  std::vector<BatchImage> entries;
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_LOADER_BATCH_H_
