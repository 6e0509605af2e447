#include "rcnn/ops/rpn_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "rcnn/ops/error_message.h"
#include "rcnn/ops/testing/grad_check.h"
#include "rcnn/ops/testing/random_boxes.h"

namespace rcnn::ops {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

at::Tensor Normal(at::IntArrayRef shape, const at::Generator& generator) {
  return at::randn(shape, generator, at::kDouble);
}

at::Tensor Int64s(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }

struct Arguments {
  at::Generator generator = testing::TestGenerator();
  at::Tensor objectness = Normal({30}, generator);
  at::Tensor deltas = Normal({30, 4}, generator);
  at::Tensor positive = Int64s({3, 17, 29});
  at::Tensor negative = Int64s({0, 4, 5, 20, 28});
  at::Tensor target_deltas = Normal({3, 4}, generator);

  RpnLosses Loss(const RpnLossOptions& options = {}) const {
    return RpnLoss(objectness, deltas, positive, negative, target_deltas, options);
  }
};

// The sum of -log p over the sampled anchors, from the definition of the sigmoid.
double LogLossSum(const Arguments& a) {
  double sum = 0;
  const auto sigmoid = [&](const at::Tensor& index, int64_t i) {
    return 1 / (1 + std::exp(-a.objectness[index[i].item<int64_t>()].item<double>()));
  };
  for (int64_t i = 0; i < a.positive.size(0); ++i) sum -= std::log(sigmoid(a.positive, i));
  for (int64_t i = 0; i < a.negative.size(0); ++i) sum -= std::log(1 - sigmoid(a.negative, i));
  return sum;
}

// The sum over the positive anchors, from the definition of smooth L1.
double SlowSmoothL1Sum(const Arguments& a, double beta) {
  double sum = 0;
  for (int64_t i = 0; i < a.positive.size(0); ++i) {
    for (int64_t k = 0; k < 4; ++k) {
      const int64_t row = a.positive[i].item<int64_t>();
      const double x = std::abs((a.deltas[row][k] - a.target_deltas[i][k]).item<double>());
      sum += x < beta ? 0.5 * x * x / beta : x - 0.5 * beta;
    }
  }
  return sum;
}

TEST(RpnLossTest, MeanOverTheSample) {
  const Arguments a;
  const RpnLosses losses = a.Loss();
  EXPECT_NEAR(losses.objectness.item<double>(), LogLossSum(a) / 8, 1e-12);
  EXPECT_NEAR(losses.box.item<double>(), SlowSmoothL1Sum(a, 1.0 / 9) / 8, 1e-12);
}

TEST(RpnLossTest, FixedNormalizersAndWeight) {
  const Arguments a;
  const RpnLosses fixed = a.Loss({.objectness_normalizer = 512, .box_normalizer = 512, .beta = 0});
  EXPECT_NEAR(fixed.objectness.item<double>(), LogLossSum(a) / 512, 1e-12);
  EXPECT_NEAR(fixed.box.item<double>(), SlowSmoothL1Sum(a, 0) / 512, 1e-12);
  const RpnLosses printed =
      a.Loss({.objectness_normalizer = 256, .box_normalizer = 2400, .box_weight = 10, .beta = 1});
  EXPECT_NEAR(printed.box.item<double>(), 10 * SlowSmoothL1Sum(a, 1) / 2400, 1e-12);
}

// -log(exp(s_y) / (exp(s_0) + exp(s_1))), averaged.
TEST(RpnLossTest, TwoLogitsAreASoftmax) {
  Arguments a;
  a.objectness = Normal({30, 2}, a.generator);
  double sum = 0;
  const auto add = [&](const at::Tensor& index, int64_t label) {
    for (int64_t i = 0; i < index.size(0); ++i) {
      const at::Tensor row = a.objectness[index[i].item<int64_t>()].exp();
      sum -= std::log((row[label] / row.sum()).item<double>());
    }
  };
  add(a.positive, 1);
  add(a.negative, 0);
  EXPECT_NEAR(a.Loss().objectness.item<double>(), sum / 8, 1e-12);
}

TEST(RpnLossTest, LargeLogitsStayFinite) {
  Arguments a;
  a.objectness = at::zeros({30}, at::kDouble);
  a.objectness[3] = -1e4;
  EXPECT_NEAR(a.Loss().objectness.item<double>(), (1e4 + 7 * std::log(2.0)) / 8, 1e-9);
}

TEST(RpnLossTest, GradientsEqualFiniteDifferences) {
  for (const bool two_classes : {false, true}) {
    Arguments a;
    if (two_classes) a.objectness = Normal({30, 2}, a.generator);
    const auto loss = [&](const auto& in) {
      const RpnLosses losses = RpnLoss(in[0], in[1], a.positive, a.negative, a.target_deltas,
                                       {.box_normalizer = 3, .box_weight = 2});
      return at::stack({losses.objectness, losses.box});
    };
    EXPECT_LT(testing::MaxGradientError(loss, {a.objectness, a.deltas}), 1e-6);
  }
}

TEST(RpnLossTest, NothingPositiveOrNothingSampled) {
  Arguments a;
  a.positive = Int64s({});
  a.target_deltas = at::zeros({0, 4}, at::kDouble);
  EXPECT_EQ(a.Loss().box.item<double>(), 0);
  EXPECT_NEAR(a.Loss().objectness.item<double>(), LogLossSum(a) / 5, 1e-12);
  a.negative = Int64s({});
  a.objectness.requires_grad_();
  a.deltas.requires_grad_();
  const RpnLosses losses = a.Loss();
  EXPECT_EQ(losses.objectness.item<double>(), 0);
  EXPECT_EQ(losses.box.item<double>(), 0);
  (losses.objectness + losses.box).backward();
  EXPECT_EQ(a.objectness.grad().abs().sum().item<double>(), 0);
  EXPECT_EQ(a.deltas.grad().abs().sum().item<double>(), 0);
}

TEST(RpnLossTest, UnsampledRowsAreIgnored) {
  Arguments a;
  const double before = a.Loss().objectness.item<double>();
  a.objectness[7] = NAN;
  a.deltas[0][0] = INFINITY;  // a negative's
  EXPECT_EQ(a.Loss().objectness.item<double>(), before);
}

TEST(RpnLossTest, NamesBadArguments) {
  const auto error_message = [](auto change, const RpnLossOptions& options = {}) {
    Arguments a;
    change(a);
    return ErrorMessage([&] { a.Loss(options); });
  };
  const auto nothing = [](Arguments&) {};
  EXPECT_EQ(error_message(nothing), "");
  EXPECT_THAT(error_message([](auto& a) {
                a.objectness = Normal({30, 3}, a.generator);
              }),
              StartsWith("objectness: expected shape [N] or [N, 2], got [30, 3]"));
  EXPECT_THAT(error_message([](auto& a) { a.objectness = Normal({29}, a.generator); }),
              StartsWith("objectness: is [29] float64 on cpu, not as long as deltas"));
  EXPECT_THAT(error_message([](auto& a) { a.deltas = a.deltas.to(at::kFloat); }),
              StartsWith("objectness: is [30] float64 on cpu, of another dtype"));
  EXPECT_THAT(error_message([](auto& a) {
                a.positive = Int64s({0, 30, 1});
              }),
              StartsWith("positive: row 1 is (30): not in [0, 29]"));
  EXPECT_THAT(error_message([](auto& a) { a.negative = Int64s({-1}); }),
              StartsWith("negative: row 0 is (-1)"));
  EXPECT_THAT(error_message([](auto& a) {
                a.target_deltas = Normal({2, 4}, a.generator);
              }),
              StartsWith("target_deltas: is [2, 4] float64 on cpu, not as long as positive"));
  EXPECT_THAT(error_message([](auto& a) { a.objectness[17] = NAN; }),
              StartsWith("objectness at sampled anchors: row 1 is (nan): not finite"));
  EXPECT_THAT(error_message([](auto& a) { a.deltas[29][1] = NAN; }),
              StartsWith("deltas at positive anchors: row 2"));
  EXPECT_THAT(error_message(nothing, {.objectness_normalizer = 0}),
              StartsWith("objectness_normalizer: expected > 0"));
  EXPECT_THAT(error_message(nothing, {.box_normalizer = -1}),
              StartsWith("box_normalizer: expected > 0"));
  EXPECT_THAT(error_message(nothing, {.box_weight = -1}), StartsWith("box_weight: expected >= 0"));
  EXPECT_THAT(error_message(nothing, {.beta = -1}), StartsWith("beta: expected >= 0"));
}

TEST(FlattenTest, OrderIsRowColumnAnchor) {
  constexpr int64_t kBatch = 2, kAnchors = 3, kHeight = 4, kWidth = 5;
  const at::Tensor one =
      at::arange(kBatch * kAnchors * kHeight * kWidth).view({kBatch, kAnchors, kHeight, kWidth});
  const at::Tensor two = at::arange(kBatch * 2 * kAnchors * kHeight * kWidth)
                             .view({kBatch, 2 * kAnchors, kHeight, kWidth});
  const at::Tensor four = at::arange(kBatch * 4 * kAnchors * kHeight * kWidth)
                              .view({kBatch, 4 * kAnchors, kHeight, kWidth});
  const at::Tensor logits = FlattenObjectness(one, false);
  const at::Tensor classes = FlattenObjectness(two, true);
  const at::Tensor deltas = FlattenDeltas(four);
  ASSERT_EQ(logits.sizes(), at::IntArrayRef({kBatch, kHeight * kWidth * kAnchors}));
  ASSERT_EQ(classes.sizes(), at::IntArrayRef({kBatch, kHeight * kWidth * kAnchors, 2}));
  ASSERT_EQ(deltas.sizes(), at::IntArrayRef({kBatch, kHeight * kWidth * kAnchors, 4}));
  for (int64_t h = 0; h < kHeight; ++h) {
    for (int64_t w = 0; w < kWidth; ++w) {
      for (int64_t a = 0; a < kAnchors; ++a) {
        const int64_t i = (h * kWidth + w) * kAnchors + a;
        EXPECT_TRUE(at::equal(logits[1][i], one[1][a][h][w]));
        EXPECT_TRUE(at::equal(classes[1][i][0], two[1][a][h][w]));
        EXPECT_TRUE(at::equal(classes[1][i][1], two[1][kAnchors + a][h][w]));
        for (int64_t k = 0; k < 4; ++k) {
          EXPECT_TRUE(at::equal(deltas[1][i][k], four[1][4 * a + k][h][w]));
        }
      }
    }
  }
}

TEST(FlattenTest, ChannelsLastIsTheSame) {
  const at::Tensor map = Normal({2, 12, 4, 5}, testing::TestGenerator());
  const at::Tensor last = map.contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_TRUE(at::equal(FlattenObjectness(last, false), FlattenObjectness(map, false)));
  EXPECT_TRUE(at::equal(FlattenObjectness(last, true), FlattenObjectness(map, true)));
  EXPECT_TRUE(at::equal(FlattenDeltas(last), FlattenDeltas(map)));
}

TEST(FlattenTest, EmptyMapsAndBadShapes) {
  EXPECT_EQ(FlattenDeltas(at::zeros({1, 36, 0, 7})).sizes(), at::IntArrayRef({1, 0, 4}));
  EXPECT_EQ(FlattenObjectness(at::zeros({0, 18, 2, 2}), true).sizes(), at::IntArrayRef({0, 36, 2}));
  EXPECT_THAT(ErrorMessage([] {
                FlattenObjectness(at::zeros({3, 2, 2}), false);
              }),
              StartsWith("map: expected shape [*, *, *, *]"));
  EXPECT_THAT(ErrorMessage([] {
                FlattenObjectness(at::zeros({1, 9, 2, 2}), true);
              }),
              HasSubstr("an even number of channels"));
  EXPECT_THAT(ErrorMessage([] {
                FlattenDeltas(at::zeros({1, 9, 2, 2}));
              }),
              HasSubstr("a multiple of 4 channels"));
}

}  // namespace
}  // namespace rcnn::ops
