#include "rcnn/ops/fast_rcnn_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
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

using ::testing::StartsWith;

constexpr int64_t kRois = 7;
constexpr int64_t kClasses = 5;

at::Tensor Normal(at::IntArrayRef shape) {
  static at::Generator generator = testing::TestGenerator();
  return at::randn(shape, generator, at::kDouble);
}

at::Tensor Longs(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }

struct Arguments {
  at::Tensor class_logits = Normal({kRois, kClasses + 1});
  at::Tensor deltas = Normal({kRois, 4 * (kClasses + 1)});
  at::Tensor labels = Longs({2, 0, 5, 0, 1, 2, 0});
  at::Tensor target_deltas = Normal({kRois, 4});

  FastRcnnLosses Loss(const FastRcnnLossOptions& options = {}) const {
    return FastRcnnLoss(class_logits, deltas, labels, target_deltas, options);
  }
};

double CrossEntropySum(const Arguments& a) {
  double sum = 0;
  for (int64_t i = 0; i < kRois; ++i) {
    const at::Tensor e = a.class_logits[i].exp();
    sum -= std::log((e[a.labels[i].item<int64_t>()] / e.sum()).item<double>());
  }
  return sum;
}

// `first` is the column of the first delta of label 0.
double SlowSmoothL1Sum(const Arguments& a, double beta, int64_t first, int64_t per_class) {
  double sum = 0;
  for (int64_t i = 0; i < kRois; ++i) {
    const int64_t label = a.labels[i].item<int64_t>();
    if (label == 0) continue;
    for (int64_t k = 0; k < 4; ++k) {
      const at::Tensor prediction = a.deltas[i][first + per_class * label + k];
      const double x = std::abs((prediction - a.target_deltas[i][k]).item<double>());
      sum += x < beta ? 0.5 * x * x / beta : x - 0.5 * beta;
    }
  }
  return sum;
}

TEST(FastRcnnLossTest, MeanOverRois) {
  const Arguments a;
  const FastRcnnLosses losses = a.Loss();
  EXPECT_NEAR(losses.classification.item<double>(), CrossEntropySum(a) / kRois, 1e-12);
  EXPECT_NEAR(losses.box.item<double>(), SlowSmoothL1Sum(a, 1, 0, 4) / kRois, 1e-12);
}

TEST(FastRcnnLossTest, FixedNormalizerWeightAndBeta) {
  const Arguments a;
  const FastRcnnLosses losses = a.Loss({.normalizer = 128, .box_weight = 3, .beta = 0});
  EXPECT_NEAR(losses.classification.item<double>(), CrossEntropySum(a) / 128, 1e-12);
  EXPECT_NEAR(losses.box.item<double>(), 3 * SlowSmoothL1Sum(a, 0, 0, 4) / 128, 1e-12);
}

TEST(FastRcnnLossTest, LayoutsOfDeltas) {
  Arguments a;
  const double with_background = a.Loss().box.item<double>();
  a.deltas = a.deltas.slice(1, 4);
  EXPECT_NEAR(a.Loss().box.item<double>(), with_background, 1e-12);
  EXPECT_NEAR(a.Loss().box.item<double>(), SlowSmoothL1Sum(a, 1, -4, 4) / kRois, 1e-12);
  a.deltas = Normal({kRois, 4});
  EXPECT_NEAR(a.Loss().box.item<double>(), SlowSmoothL1Sum(a, 1, 0, 0) / kRois, 1e-12);
}

TEST(FastRcnnLossTest, GradientsEqualFiniteDifferences) {
  for (const int64_t columns : {int64_t{4}, 4 * kClasses, 4 * (kClasses + 1)}) {
    const Arguments a;
    const auto loss = [&](const auto& in) {
      const FastRcnnLosses losses = FastRcnnLoss(in[0], in[1], a.labels, a.target_deltas, {});
      return at::stack({losses.classification, losses.box});
    };
    EXPECT_LT(testing::MaxGradientError(loss, {a.class_logits, Normal({kRois, columns})}), 1e-6);
  }
}

TEST(FastRcnnLossTest, PermutingRoisChangesNothing) {
  Arguments a;
  const FastRcnnLosses before = a.Loss();
  const at::Tensor order = Longs({6, 5, 4, 3, 2, 1, 0});
  for (at::Tensor* t : {&a.class_logits, &a.deltas, &a.labels, &a.target_deltas}) {
    *t = t->index_select(0, order);
  }
  EXPECT_TRUE(at::allclose(a.Loss().classification, before.classification, 1e-12));
  EXPECT_TRUE(at::allclose(a.Loss().box, before.box, 1e-12));
}

TEST(FastRcnnLossTest, OnlyBackgroundOrNoRois) {
  Arguments a;
  a.labels = at::zeros({kRois}, at::kLong);
  a.deltas.requires_grad_();
  a.target_deltas.fill_(NAN);
  EXPECT_EQ(a.Loss().box.item<double>(), 0) << "targets of background are not read";
  a.Loss().box.backward();
  EXPECT_EQ(a.deltas.grad().abs().sum().item<double>(), 0);
  const FastRcnnLosses none =
      FastRcnnLoss(at::zeros({0, 6}), at::zeros({0, 24}), Longs({}), at::zeros({0, 4}), {});
  EXPECT_EQ(none.classification.item<float>(), 0);
  EXPECT_EQ(none.box.item<float>(), 0);
}

TEST(FastRcnnLossTest, NamesBadArguments) {
  const auto error_message = [](auto change, const FastRcnnLossOptions& options = {}) {
    Arguments a;
    change(a);
    return ErrorMessage([&] { a.Loss(options); });
  };
  const auto nothing = [](Arguments&) {};
  EXPECT_EQ(error_message(nothing), "");
  EXPECT_THAT(error_message([](auto& a) {
                a.class_logits = Normal({kRois, 1});
              }),
              StartsWith("class_logits: expected a column for the background"));
  EXPECT_THAT(error_message([](auto& a) { a.class_logits[4][1] = NAN; }),
              StartsWith("class_logits: row 4 is ("));
  EXPECT_THAT(error_message([](auto& a) {
                a.deltas = Normal({kRois, 8});
              }),
              StartsWith("deltas: expected 24, 20 or 4 columns, got [7, 8]"));
  EXPECT_THAT(error_message([](auto& a) {
                a.deltas = Normal({6, 24});
              }),
              StartsWith("deltas: is [6, 24] float64 on cpu, not as long as class_logits"));
  EXPECT_THAT(error_message([](auto& a) { a.labels[3] = 6; }),
              StartsWith("labels: row 3 is (6): not in [0, 5]"));
  EXPECT_THAT(error_message([](auto& a) { a.labels = Longs({1}); }),
              StartsWith("labels: expected shape [7], got [1]"));
  EXPECT_THAT(error_message([](auto& a) {
                a.target_deltas = Normal({kRois, 5});
              }),
              StartsWith("target_deltas: expected shape [7, 4]"));
  EXPECT_THAT(error_message([](auto& a) { a.target_deltas[5][0] = NAN; }),
              StartsWith("target_deltas of foreground RoIs: row 3"));
  EXPECT_THAT(error_message(nothing, {.normalizer = 0}), StartsWith("normalizer: expected > 0"));
  EXPECT_THAT(error_message(nothing, {.box_weight = NAN}), StartsWith("box_weight: expected >= 0"));
  EXPECT_THAT(error_message(nothing, {.beta = -1}), StartsWith("beta: expected >= 0"));
}

}  // namespace
}  // namespace rcnn::ops
