#include "rcnn/ops/rois.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "rcnn/ops/error_message.h"

namespace rcnn::ops {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(RoisTest, BoxesGetTheIndexOfTheirImage) {
  const at::Tensor first = at::tensor({1., 2., 3., 4.}, at::kFloat).view({1, 4});
  const at::Tensor none = at::empty({0, 4});
  const at::Tensor third = at::tensor({5., 6., 7., 8., 9., 10., 11., 12.}, at::kFloat).view({2, 4});
  const at::Tensor expected =
      at::tensor({0., 1., 2., 3., 4., 2., 5., 6., 7., 8., 2., 9., 10., 11., 12.}, at::kFloat)
          .view({3, 5});
  EXPECT_TRUE(at::equal(RoisFromBoxes({first, none, third}), expected));
}

TEST(RoisTest, NoBoxesAtAll) {
  const at::Tensor none = at::empty({0, 4}, at::kDouble);
  EXPECT_EQ(RoisFromBoxes({none, none}).sizes(), at::IntArrayRef({0, 5}));
  EXPECT_EQ(RoisFromBoxes({none}).scalar_type(), at::kDouble);
}

TEST(RoisTest, GradientsFlowToTheBoxes) {
  const at::Tensor boxes = at::ones({3, 4}).requires_grad_(true);
  (RoisFromBoxes({boxes}) * 2).sum().backward();
  EXPECT_TRUE(at::equal(boxes.grad(), at::full({3, 4}, 2.0f)));
}

TEST(RoisTest, ErrorsNameTheList) {
  EXPECT_THAT(ErrorMessage([] { RoisFromBoxes({}); }), StartsWith("boxes:"));
  EXPECT_THAT(ErrorMessage([] {
                RoisFromBoxes({at::zeros({2, 4}), at::zeros({2, 5})});
              }),
              StartsWith("boxes[1]:"));
  EXPECT_THAT(ErrorMessage([] {
                RoisFromBoxes({at::zeros({2, 4}), at::zeros({2, 4}, at::kDouble)});
              }),
              StartsWith("boxes[1]:"));
}

// The tests of the operators cover what CheckRois rejects; this one covers what it accepts.
TEST(RoisTest, ValidRowsPass) {
  const at::Tensor rois =
      at::tensor({0., -5., -5., -5., -5., 3., 0., 0., 1e9, 1e9}, at::kDouble).view({2, 5});
  CheckRois(rois, "rois", 4, 1.0);
  CheckRois(rois.to(at::kFloat), "rois", 4, 1.0);
  CheckRois(rois.to(at::kBFloat16).slice(0, 0, 1), "rois", 4, 1.0);
  CheckRois(at::empty({0, 5}), "rois", 0, 1.0);
  EXPECT_THAT(ErrorMessage([&] { CheckRois(rois, "rois", 4, 2.0); }), HasSubstr("row 1"));
}

}  // namespace
}  // namespace rcnn::ops
