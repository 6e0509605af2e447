#include "rcnn/detection/testing/same_detections.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "gtest/gtest.h"

namespace rcnn::detection {

Detections DetectInNoise(const FasterRcnn& model) {
  const at::NoGradGuard no_grad;
  const at::Tensor image = at::rand({1, 3, 96, 128}, at::detail::createCPUGenerator(2));
  return model.Detect(image, {{96, 128, 1}}, {{96, 128}}).front();
}

void ExpectSameBits(const Detections& a, const Detections& b) {
  EXPECT_TRUE(a.boxes.equal(b.boxes));
  EXPECT_TRUE(a.scores.equal(b.scores));
  EXPECT_TRUE(a.labels.equal(b.labels));
}

}  // namespace rcnn::detection
