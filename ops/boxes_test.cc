#include "rcnn/ops/boxes.h"

#include <ATen/TensorIndexing.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randperm.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/ops/error_message.h"
#include "rcnn/ops/testing/grad_check.h"
#include "rcnn/ops/testing/queue_device.h"
#include "rcnn/ops/testing/random_boxes.h"

namespace rcnn::ops {
namespace {

using ::testing::HasSubstr;
using testing::MaxGradientError;
using testing::RandomBoxes;
using ::testing::StartsWith;
using testing::TestGenerator;

constexpr BoxConvention kInclusive = {.inclusive = true};

at::Tensor Boxes(const std::vector<std::vector<double>>& rows, at::ScalarType dtype = at::kDouble) {
  std::vector<double> values;
  for (const auto& row : rows) values.insert(values.end(), row.begin(), row.end());
  return at::tensor(values, at::kDouble).view({-1, 4}).to(dtype);
}

at::Tensor SomeBoxes(int64_t count, const testing::RandomBoxOptions& options = {}) {
  static at::Generator generator = TestGenerator();
  return RandomBoxes(count, generator, options);
}

// The definition, pair by pair in float64.
at::Tensor OverlapReference(const at::Tensor& a, const at::Tensor& b, double extra, bool iou) {
  at::Tensor matrix = at::zeros({a.size(0), b.size(0)}, at::kDouble);
  const auto p = a.accessor<double, 2>();
  const auto q = b.accessor<double, 2>();
  for (int64_t i = 0; i < a.size(0); ++i) {
    for (int64_t j = 0; j < b.size(0); ++j) {
      const double w = std::min(p[i][2], q[j][2]) - std::max(p[i][0], q[j][0]) + extra;
      const double h = std::min(p[i][3], q[j][3]) - std::max(p[i][1], q[j][1]) + extra;
      if (w <= 0 || h <= 0) continue;
      const double area_i = (p[i][2] - p[i][0] + extra) * (p[i][3] - p[i][1] + extra);
      const double area_j = (q[j][2] - q[j][0] + extra) * (q[j][3] - q[j][1] + extra);
      matrix[i][j] = w * h / (iou ? area_i + area_j - w * h : area_i);
    }
  }
  return matrix;
}

TEST(BoxIouTest, HandDrawnExamples) {
  const at::Tensor box = Boxes({{0, 0, 10, 10}});
  const at::Tensor others = Boxes({{0, 0, 10, 10}, {5, 0, 15, 10}, {10, 0, 20, 10}, {2, 2, 4, 7}});
  const at::Tensor expected = at::tensor({1.0, 50.0 / 150, 0.0, 0.1}, at::kDouble).view({1, 4});
  EXPECT_TRUE(at::allclose(BoxIou(box, others), expected, 1e-15, 0));
}

TEST(BoxIouTest, InclusiveBoxesCountPixels) {
  // Pixels 0..9 and 9..18 share one column of ten.
  const at::Tensor iou =
      BoxIou(Boxes({{0, 0, 9, 9}}), Boxes({{9, 0, 18, 9}, {10, 0, 19, 9}}), kInclusive);
  EXPECT_DOUBLE_EQ(iou[0][0].item<double>(), 10.0 / 190);
  EXPECT_EQ(iou[0][1].item<double>(), 0);
}

class BoxIouLevelTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, BoxIouLevelTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

// Widths around the vector's, rows around a task's end.
TEST_P(BoxIouLevelTest, EqualsTheDefinitionForAllSizes) {
  for (const int64_t rows : {1, 2, 7, 65, 300}) {
    for (const int64_t columns : {1, 2, 3, 7, 8, 9, 16, 20, 33}) {
      const at::Tensor a = SomeBoxes(rows);
      const at::Tensor b = SomeBoxes(columns);
      for (const bool inclusive : {false, true}) {
        const at::Tensor iou = OverlapReference(a, b, inclusive, true);
        const at::Tensor ioa = OverlapReference(a, b, inclusive, false);
        EXPECT_TRUE(at::allclose(BoxIou(a, b, {inclusive}), iou, 1e-12, 1e-15));
        EXPECT_TRUE(at::allclose(BoxIntersectionOverArea(a, b, {inclusive}), ioa, 1e-12, 1e-15));
      }
    }
  }
}

TEST_P(BoxIouLevelTest, Float32IsWithinRounding) {
  const at::Tensor a = SomeBoxes(700).to(at::kFloat);
  const at::Tensor b = SomeBoxes(45).to(at::kFloat);
  const at::Tensor expected = OverlapReference(a.to(at::kDouble), b.to(at::kDouble), 0, true);
  const at::Tensor iou = BoxIou(a, b);
  ASSERT_EQ(iou.scalar_type(), at::kFloat);
  EXPECT_LT((iou.to(at::kDouble) - expected).abs().max().item<double>(), 1e-5);
}

// Many tasks, so that rows written past the end of a task would show.
TEST(BoxIouTest, LargeMatricesEqualTheirRows) {
  const at::Tensor a = SomeBoxes(12000).to(at::kFloat);
  for (const int64_t columns : {1, 3, 20}) {
    const at::Tensor b = SomeBoxes(columns).to(at::kFloat);
    const at::Tensor iou = BoxIou(a, b);
    EXPECT_TRUE(at::equal(iou, BoxIou(b, a).t())) << "symmetric";
    EXPECT_TRUE(at::equal(
        iou, at::cat({BoxIou(a.slice(0, 0, 7001), b), BoxIou(a.slice(0, 7001, 12000), b)})));
  }
}

TEST(BoxIouTest, IsWithinZeroAndOneAndOneWithItself) {
  // Contained and nearly equal boxes, where rounding could exceed 1.
  const at::Tensor a = SomeBoxes(500, {.extent_px = 3, .max_side_px = 3000}).to(at::kFloat);
  const at::Tensor b = at::cat({a, a + 1e-4, a * 1.0000001});
  for (const bool inclusive : {false, true}) {
    const at::Tensor iou = BoxIou(b, b, {inclusive});
    EXPECT_GE(iou.min().item<float>(), 0);
    EXPECT_LE(iou.max().item<float>(), 1);
    EXPECT_TRUE(iou.diagonal().eq(1).all().item<bool>());
  }
}

TEST(BoxIouTest, PermutingBoxesPermutesTheMatrix) {
  const at::Tensor a = SomeBoxes(50);
  const at::Tensor b = SomeBoxes(30);
  const at::Tensor order = at::randperm(50, TestGenerator());
  EXPECT_TRUE(at::equal(BoxIou(a.index({order}), b), BoxIou(a, b).index({order})));
}

TEST(BoxIouTest, BoxesWithoutAreaOverlapNothing) {
  const at::Tensor points = Boxes({{5, 5, 5, 5}, {0, 0, 0, 9}, {5, 5, 5, 5}});
  const at::Tensor boxes = Boxes({{0, 0, 10, 10}, {5, 5, 5, 5}});
  EXPECT_TRUE(at::equal(BoxIou(points, boxes), at::zeros({3, 2}, at::kDouble)));
  EXPECT_TRUE(at::equal(BoxIntersectionOverArea(points, boxes), at::zeros({3, 2}, at::kDouble)));
}

TEST(BoxIouTest, ComposedFromATenIsTheSame) {
  const at::Tensor a = at::cat({SomeBoxes(60), Boxes({{3, 3, 3, 3}})});
  const at::Tensor b = at::cat({SomeBoxes(21), Boxes({{3, 3, 3, 3}})});
  for (const bool inclusive : {false, true}) {
    EXPECT_TRUE(at::allclose(internal::ComposedOverlap(a, b, inclusive, true),
                             BoxIou(a, b, {inclusive}), 1e-12, 1e-15));
    EXPECT_TRUE(at::allclose(internal::ComposedOverlap(a, b, inclusive, false),
                             BoxIntersectionOverArea(a, b, {inclusive}), 1e-12, 1e-15));
  }
  const at::Tensor meta = at::empty({3, 4}, at::TensorOptions().device(at::kMeta));
  EXPECT_EQ(BoxIou(meta, meta).sizes(), at::IntArrayRef({3, 3}));
}

TEST(BoxIouTest, NoBoxes) {
  const at::Tensor none = at::zeros({0, 4});
  EXPECT_EQ(BoxIou(none, at::zeros({7, 4})).sizes(), at::IntArrayRef({0, 7}));
  EXPECT_EQ(BoxIou(at::zeros({7, 4}), none).sizes(), at::IntArrayRef({7, 0}));
  EXPECT_EQ(BoxIntersectionOverArea(none, none).sizes(), at::IntArrayRef({0, 0}));
}

TEST(BoxIouTest, NamesBadArguments) {
  const at::Tensor boxes = Boxes({{0, 0, 1, 1}, {2, 2, 1, 3}});
  EXPECT_THAT(ErrorMessage([&] { BoxIou(boxes, boxes); }),
              StartsWith("boxes: row 1 is (2, 2, 1, 3)"));
  const at::Tensor good = boxes.slice(0, 0, 1);
  EXPECT_THAT(ErrorMessage([&] { BoxIou(good, boxes); }), StartsWith("others: row 1"));
  EXPECT_THAT(ErrorMessage([&] { BoxIntersectionOverArea(good, boxes); }),
              StartsWith("regions: row 1"));
  EXPECT_THAT(ErrorMessage([&] { BoxIou(good, good.to(at::kFloat)); }), HasSubstr("another dtype"));
  const at::Tensor huge = Boxes({{0, 0, 1, 1}, {0, 0, 2e19, 2e19}}, at::kFloat);
  EXPECT_THAT(ErrorMessage([&] { BoxIou(huge, huge); }),
              StartsWith("boxes: row 1 is (0, 0, 2e+19, "));
}

TEST(BoxAreaTest, ClosedForm) {
  const at::Tensor boxes = Boxes({{1, 2, 4, 8}, {0, 0, 0, 5}});
  EXPECT_TRUE(at::equal(BoxArea(boxes), at::tensor({18.0, 0.0}, at::kDouble)));
  EXPECT_TRUE(at::equal(BoxArea(boxes, kInclusive), at::tensor({28.0, 6.0}, at::kDouble)));
  EXPECT_EQ(BoxArea(at::zeros({0, 4})).sizes(), at::IntArrayRef({0}));
  EXPECT_LT(MaxGradientError([](const auto& in) { return BoxArea(in[0]); }, {SomeBoxes(3)}), 1e-5);
}

TEST(ClipBoxesTest, ClosedForm) {
  const at::Tensor boxes = Boxes({{-3, -4, 5, 6}, {90, 40, 120, 70}, {200, 200, 300, 300}});
  EXPECT_TRUE(at::equal(ClipBoxes(boxes, {.height = 50, .width = 100}),
                        Boxes({{0, 0, 5, 6}, {90, 40, 100, 50}, {100, 50, 100, 50}})));
  EXPECT_TRUE(at::equal(ClipBoxes(boxes, {.height = 50, .width = 100}, kInclusive),
                        Boxes({{0, 0, 5, 6}, {90, 40, 99, 49}, {99, 49, 99, 49}})));
  EXPECT_TRUE(at::equal(ClipBoxes(boxes, {.height = 0, .width = 0}), at::zeros_like(boxes)));
}

TEST(ClipBoxesTest, TakesGroups) {
  const at::Tensor groups = SomeBoxes(24).view({8, 12});
  const ImageSize image = {.height = 200, .width = 300};
  const at::Tensor clipped = ClipBoxes(groups, image);
  ASSERT_EQ(clipped.sizes(), groups.sizes());
  EXPECT_TRUE(at::equal(clipped.narrow(1, 4, 4), ClipBoxes(groups.narrow(1, 4, 4), image)));
}

TEST(ClipBoxesTest, IsIdempotentAndStopsGradients) {
  const at::Tensor boxes = SomeBoxes(9);
  const ImageSize image = {.height = 200, .width = 300};
  const at::Tensor once = ClipBoxes(boxes, image);
  EXPECT_TRUE(at::equal(ClipBoxes(once, image), once));
  const auto clip = [&](const auto& in) { return ClipBoxes(in[0], image); };
  // Clipping is linear in pieces, so only rounding counts: less of it with larger steps.
  EXPECT_LT(MaxGradientError(clip, {boxes}, /*step=*/1e-5), 1e-6);
}

TEST(ClipBoxesTest, ADeviceClipsByItselfUnlessThereIsAGradient) {
  const at::Tensor groups = SomeBoxes(24).view({8, 12});
  const at::Tensor there = groups.to(testing::QueueDevice());
  const ImageSize image = {.height = 200, .width = 300};
  for (const bool has_gradient : {false, true}) {
    there.requires_grad_(has_gradient);
    testing::TakeWaits();
    const at::Tensor clipped = ClipBoxes(there, image, kInclusive);
    EXPECT_EQ(testing::TakeWaits().empty(), !has_gradient);
    EXPECT_EQ(clipped.requires_grad(), has_gradient);
    EXPECT_EQ(clipped.device(), testing::QueueDevice());
    EXPECT_TRUE(at::equal(clipped.detach().cpu(), ClipBoxes(groups, image, kInclusive)));
  }
}

TEST(ClipBoxesTest, NamesBadArguments) {
  const at::Tensor boxes = SomeBoxes(2);
  EXPECT_THAT(ErrorMessage([&] { ClipBoxes(boxes, {.height = -1, .width = 5}); }),
              StartsWith("image: expected a size of at least 0 x 0, got -1 x 5"));
  EXPECT_THAT(ErrorMessage([&] { ClipBoxes(boxes, {.height = 0, .width = 5}, kInclusive); }),
              StartsWith("image: expected a size of at least 1 x 1"));
  EXPECT_THAT(ErrorMessage([] { ClipBoxes(at::zeros({2, 6}), {}); }), HasSubstr("multiple of 4"));
}

TEST(LargeBoxesTest, KeepsSidesOfAtLeastTheMinimum) {
  const at::Tensor boxes = Boxes({{0, 0, 15, 15}, {0, 0, 16, 16}, {0, 0, 99, 15}, {0, 0, 17, 16}});
  EXPECT_TRUE(at::equal(LargeBoxes(boxes, 16), at::tensor({1, 3}, at::kLong)));
  EXPECT_TRUE(at::equal(LargeBoxes(boxes, 16, kInclusive), at::tensor({0, 1, 2, 3}, at::kLong)));
  EXPECT_EQ(LargeBoxes(at::zeros({0, 4}), 1).sizes(), at::IntArrayRef({0}));
  EXPECT_EQ(LargeBoxes(boxes, 1000).sizes(), at::IntArrayRef({0}));
  EXPECT_THAT(ErrorMessage([&] { LargeBoxes(boxes, -1); }),
              StartsWith("min_side_px: expected >= 0"));
}

TEST(FlipBoxesTest, ClosedFormAndItsOwnInverse) {
  const at::Tensor boxes = Boxes({{0, 1, 10, 11}, {30, 2, 100, 12}});
  EXPECT_TRUE(at::equal(FlipBoxes(boxes, 100), Boxes({{90, 1, 100, 11}, {0, 2, 70, 12}})));
  EXPECT_TRUE(
      at::equal(FlipBoxes(Boxes({{0, 1, 9, 11}}), 100, kInclusive), Boxes({{90, 1, 99, 11}})));
  EXPECT_TRUE(at::allclose(FlipBoxes(FlipBoxes(boxes, 640), 640), boxes));
  EXPECT_THAT(ErrorMessage([&] { FlipBoxes(boxes, -5); }),
              StartsWith("image_width: expected >= 0"));
}

TEST(ScaleBoxesTest, ClosedForm) {
  const at::Tensor boxes = Boxes({{1, 2, 3, 4}});
  EXPECT_TRUE(at::equal(ScaleBoxes(boxes, 2, 10), Boxes({{2, 20, 6, 40}})));
  EXPECT_EQ(ScaleBoxes(boxes.to(at::kFloat), 2, 10).scalar_type(), at::kFloat);
  EXPECT_THAT(ErrorMessage([&] { ScaleBoxes(boxes, 0, 1); }), StartsWith("scale_x: expected > 0"));
  EXPECT_THAT(ErrorMessage([&] { ScaleBoxes(boxes, 1, -1); }), StartsWith("scale_y: expected > 0"));
  EXPECT_THAT(ErrorMessage([&] { ScaleBoxes(boxes.to(at::kFloat), 1e300, 1); }),
              StartsWith("boxes, scaled: row 0 is (inf, 2, inf, 4)"));
}

TEST(BoxAreaTest, ThrowsWhereTheAreaOverflows) {
  EXPECT_THAT(ErrorMessage([] {
                BoxArea(at::tensor({0.f, 0.f, 1e30f, 1e30f}).view({1, 4}));
              }),
              HasSubstr("the area overflows"));
}

}  // namespace
}  // namespace rcnn::ops
