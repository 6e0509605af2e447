#include "rcnn/ops/box_coder.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "rcnn/ops/box_coder_schema.h"
#include "rcnn/ops/error_message.h"
#include "rcnn/ops/testing/grad_check.h"
#include "rcnn/ops/testing/random_boxes.h"

namespace rcnn::ops {
namespace {

using ::testing::HasSubstr;
using testing::RandomBoxes;
using ::testing::StartsWith;
using testing::TestGenerator;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

at::Tensor SomeBoxes(int64_t count) {
  static at::Generator generator = TestGenerator();
  return RandomBoxes(count, generator);
}

std::vector<BoxCoderOptions> AllConventions() {
  return {{},
          {.weights = {10, 10, 5, 5}},
          {.mean = {.01, -.02, .03, .04}, .stddev = {.1, .1, .2, .2}},
          {.weights = {2, 3, 4, 5}, .mean = {1, 2, 3, 4}, .stddev = {.5, .6, .7, .8}},
          {.inclusive = true},
          {.stddev = {.1, .1, .2, .2}, .inclusive = true, .exact_inverse = true}};
}

// The definition in box_coder.h, column by column.
at::Tensor EncodeReference(const at::Tensor& boxes, const at::Tensor& gt,
                           const BoxCoderOptions& options) {
  const auto column = [](const at::Tensor& t, int64_t i) { return t.select(1, i); };
  const double extra = options.inclusive ? 1 : 0;
  std::vector<at::Tensor> deltas(4);
  for (int64_t axis = 0; axis < 2; ++axis) {
    const at::Tensor side = column(boxes, axis + 2) - column(boxes, axis) + extra;
    const at::Tensor gt_side = column(gt, axis + 2) - column(gt, axis) + extra;
    const at::Tensor center = column(boxes, axis) + 0.5 * side;
    const at::Tensor gt_center = column(gt, axis) + 0.5 * gt_side;
    deltas[axis] = (gt_center - center) / side;
    deltas[axis + 2] = (gt_side / side).log();
  }
  for (size_t i = 0; i < 4; ++i) {
    deltas[i] = (deltas[i] * options.weights[i] - options.mean[i]) / options.stddev[i];
  }
  return at::stack(deltas, 1);
}

TEST(EncodeBoxesTest, HandDrawnExample) {
  // 10 x 20 box centred at (5, 10); twice as wide and half as high one centred at (10, 5).
  const at::Tensor box = at::tensor({0.0f, 0.0f, 10.0f, 20.0f}).view({1, 4});
  const at::Tensor gt = at::tensor({0.0f, 0.0f, 20.0f, 10.0f}).view({1, 4});
  const at::Tensor expected =
      at::tensor({0.5, -0.25, std::log(2.0), -std::log(2.0)}, at::kFloat).view({1, 4});
  EXPECT_TRUE(at::allclose(EncodeBoxes(box, gt), expected, 1e-6, 0));
}

TEST(EncodeBoxesTest, InclusiveBoxesCountPixels) {
  // Pixels 0..9 (10 of them) to pixels 0..19 (20).
  const at::Tensor box = at::tensor({0.0, 0.0, 9.0, 9.0}, at::kDouble).view({1, 4});
  const at::Tensor gt = at::tensor({0.0, 0.0, 19.0, 19.0}, at::kDouble).view({1, 4});
  const at::Tensor deltas = EncodeBoxes(box, gt, {.inclusive = true});
  EXPECT_DOUBLE_EQ(deltas[0][0].item<double>(), 0.5);
  EXPECT_DOUBLE_EQ(deltas[0][2].item<double>(), std::log(2.0));
}

TEST(EncodeBoxesTest, EqualsTheDefinition) {
  const at::Tensor boxes = SomeBoxes(3000);
  const at::Tensor gt = SomeBoxes(3000);
  for (const BoxCoderOptions& options : AllConventions()) {
    const at::Tensor expected = EncodeReference(boxes, gt, options);
    EXPECT_TRUE(at::allclose(EncodeBoxes(boxes, gt, options), expected, 1e-12, 1e-12));
    const at::Tensor single = EncodeBoxes(boxes.to(at::kFloat), gt.to(at::kFloat), options);
    ASSERT_EQ(single.scalar_type(), at::kFloat);
    EXPECT_TRUE(at::allclose(single.to(at::kDouble), expected, 1e-4, 1e-3));
  }
}

TEST(DecodeBoxesTest, InvertsEncoding) {
  const at::Tensor boxes = SomeBoxes(3000);
  const at::Tensor gt = SomeBoxes(3000);
  for (BoxCoderOptions options : AllConventions()) {
    options.max_log_scale = kInfinity;
    const at::Tensor decoded = DecodeBoxes(boxes, EncodeBoxes(boxes, gt, options), options);
    EXPECT_LT((decoded - gt).abs().max().item<double>(), 1e-10);
  }
}

TEST(DecodeBoxesTest, FormerInverseIsOnePixelLarger) {
  const at::Tensor boxes = SomeBoxes(50);
  const at::Tensor gt = SomeBoxes(50);
  const BoxCoderOptions former = {
      .max_log_scale = kInfinity, .inclusive = true, .exact_inverse = false};
  const at::Tensor decoded = DecodeBoxes(boxes, EncodeBoxes(boxes, gt, former), former);
  const at::Tensor expected = gt + at::tensor({0.0, 0.0, 1.0, 1.0}, at::kDouble);
  EXPECT_LT((decoded - expected).abs().max().item<double>(), 1e-10);
}

TEST(DecodeBoxesTest, NormalizationEqualsWeights) {
  const at::Tensor boxes = SomeBoxes(100);
  const at::Tensor deltas = EncodeBoxes(boxes, SomeBoxes(100), {.weights = {10, 10, 5, 5}});
  EXPECT_TRUE(at::allclose(DecodeBoxes(boxes, deltas, {.weights = {10, 10, 5, 5}}),
                           DecodeBoxes(boxes, deltas, {.stddev = {.1, .1, .2, .2}})));
}

TEST(DecodeBoxesTest, GroupsAreDecodedFromTheSameBox) {
  const at::Tensor boxes = SomeBoxes(1500);
  const at::Tensor deltas = at::randn({1500, 21 * 4}, TestGenerator(), at::kDouble) * 0.3;
  const BoxCoderOptions options = {.weights = {10, 10, 5, 5}};
  const at::Tensor decoded = DecodeBoxes(boxes, deltas, options);
  ASSERT_EQ(decoded.sizes(), deltas.sizes());
  for (int64_t k = 0; k < 21; ++k) {
    const at::Tensor alone = DecodeBoxes(boxes, deltas.narrow(1, 4 * k, 4), options);
    EXPECT_TRUE(at::equal(decoded.narrow(1, 4 * k, 4), alone)) << "group " << k;
  }
}

TEST(DecodeBoxesTest, ClampsTheLogSides) {
  const at::Tensor box = at::tensor({0.0, 0.0, 16.0, 16.0}, at::kDouble).view({1, 4});
  const at::Tensor deltas = at::tensor({0.0, 0.0, 50.0, 1e6}, at::kDouble).view({1, 4});
  const at::Tensor decoded = DecodeBoxes(box, deltas);
  const at::Tensor expected = at::tensor({-492.0, -492.0, 508.0, 508.0}, at::kDouble).view({1, 4});
  EXPECT_TRUE(at::allclose(decoded, expected, 1e-12)) << "16 px grow to 1000 px at most";
}

TEST(BoxCoderTest, PermutingRowsPermutesResults) {
  const at::Tensor boxes = SomeBoxes(100);
  const at::Tensor gt = SomeBoxes(100);
  const at::Tensor order = at::randperm(100, TestGenerator());
  EXPECT_TRUE(at::equal(EncodeBoxes(boxes.index({order}), gt.index({order})),
                        EncodeBoxes(boxes, gt).index({order})));
}

TEST(BoxCoderTest, IsInvariantToTranslationAndScale) {
  const at::Tensor boxes = SomeBoxes(100);
  const at::Tensor gt = SomeBoxes(100);
  EXPECT_TRUE(
      at::allclose(EncodeBoxes(boxes * 3 + 7, gt * 3 + 7), EncodeBoxes(boxes, gt), 1e-9, 1e-9));
}

TEST(BoxCoderTest, GradientsEqualFiniteDifferences) {
  const at::Tensor boxes = SomeBoxes(6) / 50;
  const at::Tensor gt = SomeBoxes(6) / 50;
  const at::Tensor deltas = at::randn({6, 8}, TestGenerator(), at::kDouble);
  std::vector<BoxCoderOptions> conventions = AllConventions();
  conventions.push_back({.max_log_scale = 0.3, .inclusive = true, .exact_inverse = false});
  for (const BoxCoderOptions& options : conventions) {
    const auto encode = [&](const auto& in) { return EncodeBoxes(in[0], in[1], options); };
    const auto decode = [&](const auto& in) { return DecodeBoxes(in[0], in[1], options); };
    EXPECT_LT(testing::MaxGradientError(encode, {boxes, gt}), 1e-6);
    EXPECT_LT(testing::MaxGradientError(decode, {boxes, deltas}), 1e-6);
  }
}

TEST(BoxCoderTest, ClampPassesNoGradient) {
  const at::Tensor box = SomeBoxes(1);
  at::Tensor deltas = at::tensor({0.1, 0.1, 5.0, 1.0}, at::kDouble).view({1, 4});
  deltas.requires_grad_();
  DecodeBoxes(box, deltas).select(1, 2).sum().backward();
  EXPECT_EQ(deltas.grad()[0][2].item<double>(), 0);
  EXPECT_GT(deltas.grad()[0][0].item<double>(), 0);
}

TEST(BoxCoderTest, SecondDerivativeIsAnError) {
  at::Tensor deltas = at::zeros({1, 4}, at::kDouble).requires_grad_();
  const at::Tensor decoded = DecodeBoxes(SomeBoxes(1), deltas);
  EXPECT_THAT(ErrorMessage([&] {
                at::Tensor weight = at::ones_like(decoded).requires_grad_();
                decoded.backward(weight, /*retain_graph=*/true, /*create_graph=*/true);
              }),
              HasSubstr("no second derivative"));
}

TEST(BoxCoderTest, NoRows) {
  const at::Tensor none = at::zeros({0, 4});
  EXPECT_EQ(EncodeBoxes(none, none).sizes(), at::IntArrayRef({0, 4}));
  EXPECT_EQ(DecodeBoxes(none, at::zeros({0, 84})).sizes(), at::IntArrayRef({0, 84}));
  at::Tensor deltas = at::zeros({0, 4}).requires_grad_();
  DecodeBoxes(none, deltas).sum().backward();
  EXPECT_EQ(deltas.grad().sizes(), at::IntArrayRef({0, 4}));
}

TEST(BoxCoderTest, ReadsStridedArguments) {
  const at::Tensor boxes = SomeBoxes(20);
  const at::Tensor gt = SomeBoxes(20);
  const auto strided = [](const at::Tensor& t) { return t.t().contiguous().t(); };
  EXPECT_TRUE(at::equal(EncodeBoxes(strided(boxes), strided(gt)), EncodeBoxes(boxes, gt)));
  EXPECT_TRUE(
      at::equal(DecodeBoxes(strided(boxes), strided(gt / 500)), DecodeBoxes(boxes, gt / 500)));
}

TEST(BoxCoderTest, MetaTensorsGiveShapes) {
  const at::Tensor meta = at::empty({3, 4}, at::TensorOptions().device(at::kMeta));
  EXPECT_EQ(EncodeBoxes(meta, meta).sizes(), meta.sizes());
  EXPECT_EQ(DecodeBoxes(meta, at::empty({3, 8}, meta.options())).size(1), 8);
}

TEST(BoxCoderTest, NamesBadArguments) {
  const at::Tensor boxes = SomeBoxes(3);
  const auto encode_error = [](const at::Tensor& a, const at::Tensor& b,
                               const BoxCoderOptions& options = {}) {
    return ErrorMessage([&] { EncodeBoxes(a, b, options); });
  };
  const auto decode_error = [&](const at::Tensor& deltas, const BoxCoderOptions& options = {}) {
    return ErrorMessage([&] { DecodeBoxes(boxes, deltas, options); });
  };
  EXPECT_THAT(encode_error(boxes, boxes.slice(0, 0, 2)), StartsWith("gt_boxes: is [2, 4] float64"));
  EXPECT_THAT(encode_error(boxes, boxes.to(at::kFloat)), StartsWith("gt_boxes: is [3, 4] float32"));
  at::Tensor flat = boxes.clone();
  flat[2][3] = flat[2][1];
  EXPECT_THAT(encode_error(flat, boxes), StartsWith("boxes: row 2 is ("));
  EXPECT_THAT(encode_error(boxes, flat), HasSubstr("a side of length 0 cannot be encoded"));
  const at::Tensor unit = at::tensor({0.f, 0.f, 1.f, 1.f}).view({1, 4});
  EXPECT_THAT(encode_error(unit * 1e-30, unit * 1e30), StartsWith("gt_boxes, encoded: row 0"));
  EXPECT_EQ(encode_error(flat, boxes, {.inclusive = true}), "") << "one pixel is not an empty side";
  EXPECT_THAT(decode_error(at::zeros({3, 5}, at::kDouble)), HasSubstr("multiple of 4"));
  EXPECT_THAT(decode_error(at::zeros({3, 0}, at::kDouble)), HasSubstr("multiple of 4"));
  EXPECT_THAT(decode_error(at::zeros({4, 4}, at::kDouble)), StartsWith("deltas: is [4, 4]"));
  EXPECT_THAT(decode_error(at::full({3, 4}, NAN, at::kDouble)), StartsWith("deltas: row 0"));
  EXPECT_THAT(decode_error(at::full({3, 4}, 800.0, at::kDouble), {.max_log_scale = kInfinity}),
              HasSubstr("a lower max_log_scale keeps decoded boxes finite"));
}

TEST(BoxCoderTest, CountsBadLists) {
  EXPECT_EQ(ErrorMessage([] { ReadFour({1.0}, "weights"); }), "weights: expected 4 numbers, got 1");
}

TEST(BoxCoderTest, NamesBadOptions) {
  const at::Tensor boxes = SomeBoxes(3);
  const auto error_message = [&](const BoxCoderOptions& options) {
    return ErrorMessage([&] { DecodeBoxes(boxes, boxes, options); });
  };
  EXPECT_THAT(error_message({.weights = {1, 0, 1, 1}}), StartsWith("weights[1]: expected > 0"));
  EXPECT_THAT(error_message({.stddev = {1, 1, 1, -1}}), StartsWith("stddev[3]: expected > 0"));
  EXPECT_THAT(error_message({.mean = {NAN, 0, 0, 0}}), StartsWith("mean[0]: expected finite"));
  EXPECT_THAT(error_message({.max_log_scale = 0}), StartsWith("max_log_scale: expected > 0"));
}

}  // namespace
}  // namespace rcnn::ops
