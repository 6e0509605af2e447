// The RoIs that the head is trained on, with what each of them should be predicted as.
//
// FastRcnnHead draws them (roi_sampler.h), computes their outputs and takes the losses
// (head_losses.h). Branches on RoIs get them too (roi_branch.h).
//
// Shapes: R RoIs of all images of a batch; K classes without background.
//
// Example, of a batch that several processes share:
//   RoiSamples part = SamplesOfImages(samples, own);

#ifndef RCNN_DETECTION_ROI_SAMPLES_H_
#define RCNN_DETECTION_ROI_SAMPLES_H_

#include <ATen/core/Tensor.h>
#include <c10/util/Optional.h>

#include <cstdint>
#include <vector>

#include "rcnn/detection/targets.h"

namespace rcnn::detection {

// The RoIs to train on.
struct RoiSamples {
  at::Tensor rois;         // [R, 5] float32 (image, x1, y1, x2, y2)
  at::Tensor labels;       // [R] int64, 0..K
  at::Tensor box_targets;  // [R, 4], before box normalisation; 0 for background
  int64_t positives = 0;   // rows with a label > 0
  // The number of RoIs of the whole batch, where several processes share it and these are some.
  c10::optional<int64_t> rois_of_batch = c10::nullopt;
  // [R, 2] int64: the image's id, and the number of the RoI among the samples of its image. From
  // these follow the draws of dropout. Undefined: from the RoI's place.
  at::Tensor draw_rows = {};
  // On another device than the CPU: the number of RoIs of each image, which come one image after
  // another. Then RoIs with label -1 take part in no loss.
  std::vector<int64_t> rois_of_image = {};
  // Of samples of a fixed size (SampleCountedRois), in place of `positives`: scalars on the device.
  at::Tensor unread_positives = {};
  at::Tensor unread_negatives = {};
  // Of a part of such samples, in place of rois_of_batch: the RoIs of the batch that take part in
  // its losses, a scalar on the device.
  at::Tensor unread_of = {};
};

// The samples of the images of `own`, numbered from 0, out of those of a whole batch. The RoIs of
// `samples` are in the order of their images, as SampleRois and SampleCountedRois return them.
// Of samples of a fixed size nothing waits for the device.
RoiSamples SamplesOfImages(const RoiSamples& samples, const ImageRange& own);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_ROI_SAMPLES_H_
