// The ground truth of a batch in tensors of a fixed size with counts, on the device of the network.
//
// Matching and sampling then need no number that only the device knows (ops/batch_matcher.h,
// ops/counter_sampler.h), and nothing waits for it.
//
// Shapes: B images; G a power of two, at least the most objects of an image.
//
// Example:
//   TrainingTargets targets = {sizes, {}};
//   targets.counted = CountTruths(truths, sizes, device);

#ifndef RCNN_DETECTION_COUNTED_TRUTHS_H_
#define RCNN_DETECTION_COUNTED_TRUTHS_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include "rcnn/detection/targets.h"

namespace rcnn::detection {

// Copies ground truth from the CPU to `device`. Throws c10::Error on different numbers of images,
// and naming the row of a box that is not valid.
CountedTruths CountTruths(const GroundTruths& truths, const InputSizes& sizes,
                          const c10::Device& device);

// The sizes alone: CountedTruths::image_info, [B, 3] float32.
at::Tensor ImageInfo(const InputSizes& sizes, const c10::Device& device);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_COUNTED_TRUTHS_H_
