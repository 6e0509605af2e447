#include "rcnn/ops/testing/torchvision.h"

#include <ATen/ATen.h>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::ops::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

TEST(TorchvisionTest, ErrorNamesTorchvision) {
  const absl::Status& loaded = LoadTorchvision();
  EXPECT_THAT(loaded,
              AnyOf(IsOk(), StatusIs(absl::StatusCode::kNotFound, HasSubstr("torchvision")),
                    StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("torchvision"))));
}

TEST(TorchvisionTest, NmsDropsTheLowerOfTwoOverlappingBoxes) {
  RCNN_SKIP_WITHOUT_TORCHVISION();
  const at::Tensor boxes =
      at::tensor({0., 0., 10., 10., 0., 0., 10., 9., 20., 20., 30., 30.}, at::kFloat).view({3, 4});
  const at::Tensor scores = at::tensor({0.5, 0.9, 0.1}, at::kFloat);
  EXPECT_TRUE(at::equal(TorchvisionNms(boxes, scores, 0.5), at::tensor({1, 2}, at::kLong)));
}

TEST(TorchvisionTest, RoiOperatorsOnAConstantMapAndTheirGradients) {
  RCNN_SKIP_WITHOUT_TORCHVISION();
  const at::Tensor input = at::full({1, 2, 8, 8}, 3.0f);
  const at::Tensor rois = at::tensor({0., 0., 0., 7., 7.}, at::kFloat).view({1, 5});
  TorchvisionRoiOptions options;
  options.pooled_height = 2;
  options.pooled_width = 2;
  options.sampling_ratio = 2;
  const at::Tensor aligned = TorchvisionRoiAlign(input, rois, options);
  EXPECT_TRUE(at::allclose(aligned, at::full({1, 2, 2, 2}, 3.0f)));
  const auto [pooled, argmax] = TorchvisionRoiPool(input, rois, options);
  EXPECT_TRUE(at::equal(pooled, at::full({1, 2, 2, 2}, 3.0f)));
  // Both operators pass on every unit of gradient.
  const at::Tensor grad = at::ones({1, 2, 2, 2});
  const at::Tensor of_align = TorchvisionRoiAlignBackward(grad, rois, options, input.sizes());
  EXPECT_EQ(of_align.sizes(), input.sizes());
  EXPECT_NEAR(of_align.sum().item<double>(), 8.0, 1e-5);
  const at::Tensor of_pool = TorchvisionRoiPoolBackward(grad, rois, argmax, options, input.sizes());
  EXPECT_NEAR(of_pool.sum().item<double>(), 8.0, 1e-5);
}

}  // namespace
}  // namespace rcnn::ops::testing
