// Batches of images of different sizes for tests of whole detectors. Their padding is NaN, so that
// whatever reads it fails.

#ifndef RCNN_DETECTION_TESTING_TEST_BATCH_H_
#define RCNN_DETECTION_TESTING_TEST_BATCH_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstddef>
#include <vector>

#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/targets.h"
#include "rcnn/ops/boxes.h"

namespace rcnn::detection {

// Sizes of the three images as the network sees them: wide, tall and larger than both.
const std::vector<ops::ImageSize>& TestImageSizes();

// [3, H, W] float32 on the CPU: the noise that is image 0, 1 or 2.
at::Tensor TestPixels(size_t image);

// Some of the three images, each with two objects of 3 classes.
struct TestBatch {
  // `images`: their numbers. On another device than the CPU targets are those of a training there.
  explicit TestBatch(const std::vector<size_t>& images,
                     const c10::Device& device = c10::Device(c10::DeviceType::CPU));

  // The images without padding.
  BatchMap Images() const { return CutImages(padded, sizes); }

  at::Tensor padded;  // [B, 3, H, W] float32
  std::vector<ops::ImageSize> sizes;
  TrainingTargets targets;

 private:
  void Add(size_t image, const at::Tensor& slot);
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_TESTING_TEST_BATCH_H_
