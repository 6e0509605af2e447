// Converts the bytes of several images to one input of the network: preprocess.h for each image,
// into its place in the batch.
//
// On a device with a kernel one launch for each image resizes, normalises, pads, and writes
// channels-last: nothing copies the result again. For one image alone, without padding, see
// preprocess.h.
//
// Example, two images in one batch, the smaller one padded with zeros:
//   const std::vector<PreprocessOptions> options = {{.height = 600, .width = 800},
//                                                   {.height = 608, .width = 456}};
//   at::Tensor batch = PreprocessBatch(images, options, /*height=*/608, /*width=*/800);

#ifndef RCNN_OPS_PREPROCESS_BATCH_H_
#define RCNN_OPS_PREPROCESS_BATCH_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "rcnn/ops/preprocess.h"

namespace rcnn::ops {

// B images, B >= 1, all on one device:
//   images   [H_b, W_b, 3] uint8 RGB each, as in PreprocessInto
//   options  of each image; equal but for height, width, step, scale and flip_horizontally, and
//            with a padding of 0
//   return   [B, 3, height, width] float32, channels-last, on the device of the images: each image
//            in the top left of its row, 0 around it
// The numbers are those of PreprocessInto, on devices with a kernel bit by bit. Devices without one
// use the fallback of dispatch.h. Throws c10::Error naming the argument, and the image by its
// index, as PreprocessInto does, and if there are not as many options as images.
at::Tensor PreprocessBatch(at::TensorList images, at::ArrayRef<PreprocessOptions> options,
                           int64_t height, int64_t width);

// What the arguments of the schema ask for, and memory for the result. For kernels.
struct PreprocessBatchRequest {
  std::vector<PreprocessOptions> options;  // of each image
  at::Tensor batch;                        // [B, 3, height, width], channels-last, not filled
};

// `sizes`: height and width of each resized image. `flipped`: 0 or 1 for each, or empty: none.
// `scales`: for each image, or empty, its scale for ResizeStep::kInverseScale, or 0 for kSizeRatio.
// Throws c10::Error as PreprocessBatch does.
PreprocessBatchRequest ReadPreprocessBatch(at::TensorList images, at::IntArrayRef sizes,
                                           int64_t height, int64_t width, at::ArrayRef<double> mean,
                                           at::ArrayRef<double> std, bool to_bgr,
                                           at::IntArrayRef flipped, at::ArrayRef<double> scales);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_PREPROCESS_BATCH_H_
