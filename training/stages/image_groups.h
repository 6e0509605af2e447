// Groups of images that go through a network together in inference, and the network's input.
//
// A loader for inference gives batches of one image. Those of one size become one batch here, which
// a network computes in one tensor. Its results for an image are those of the image alone, up to
// rounding (detection/batch_map.h).
//
// Example:
//   for (const std::vector<size_t>& places : GroupImages(window, /*most=*/8)) {
//     const data::Batch batch = JoinImages(window, places);
//     Compute(MakeInputs(batch, device));
//   }

#ifndef RCNN_TRAINING_STAGES_IMAGE_GROUPS_H_
#define RCNN_TRAINING_STAGES_IMAGE_GROUPS_H_

#include <c10/core/Device.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "rcnn/data/loader/batch.h"
#include "rcnn/detection/batch_map.h"

namespace rcnn::training {

// The places in `window`, whose batches have one image each, of images that go through the network
// together: at most `most` >= 1, of one size with their own padding. Groups are in the order of
// their first image, the images of a group in that of the window.
std::vector<std::vector<size_t>> GroupImages(const std::vector<data::Batch>& window, int64_t most);

// The images at `places`, at least one, of one size, as one batch. That of a single image shares
// its pixels with the window. Either all images have bytes (BatchBuilderOptions::keep_bytes) or
// none.
data::Batch JoinImages(const std::vector<data::Batch>& window, const std::vector<size_t>& places);

// The images of a batch from JoinImages on `device`, with their own padding, in one part: on the
// CPU the loader's, on another device made there of the bytes, with the same bits.
detection::BatchMap MakeInputs(const data::Batch& batch, const c10::Device& device);

// Mirrors the images in place, each without its padding, and sets ImageInfo::flipped. `images`:
// those of the batch, on any device.
void MirrorInputs(const detection::BatchMap& images, data::Batch& batch);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_IMAGE_GROUPS_H_
