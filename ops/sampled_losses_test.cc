#include "rcnn/ops/sampled_losses.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "rcnn/ops/counter_sampler.h"
#include "rcnn/ops/error_message.h"
#include "rcnn/ops/fast_rcnn_loss.h"
#include "rcnn/ops/rpn_loss.h"
#include "rcnn/ops/testing/grad_check.h"
#include "rcnn/ops/testing/test_seed.h"

namespace rcnn::ops {
namespace {

using ::rcnn::ops::testing::MaxGradientError;
using ::rcnn::ops::testing::TestSeed;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr double kTolerance = 1e-12;  // of float64 sums in another order

struct RpnProblem {
  at::Tensor logits;  // [B, N]
  at::Tensor deltas;  // [B, N, 4]
  CountedSample sample;
  at::Tensor targets;  // [B, P, 4]
};

// Image b has about b tenths of positives, the first none.
RpnProblem RandomRpnProblem(int64_t images, int64_t anchors, uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  const at::Tensor values = at::rand({images, anchors}, generator, at::kFloat);
  const at::Tensor share = at::arange(images, at::kFloat).div(10).unsqueeze(1);
  RpnProblem problem;
  problem.sample = SampleByCounters(values.lt(share).to(at::kLong), at::arange(images, at::kLong),
                                    seed, {40, 0.5});
  problem.logits = at::randn({images, anchors}, generator, at::kDouble).mul(4);
  problem.deltas = at::randn({images, anchors, 4}, generator, at::kDouble);
  problem.targets = at::randn({images, 20, 4}, generator, at::kDouble);
  return problem;
}

// The rows that count, of all images.
RpnLosses PlainLosses(const RpnProblem& problem, const RpnLossOptions& options) {
  const int64_t images = problem.logits.size(0), anchors = problem.logits.size(1);
  std::vector<at::Tensor> positive, negative, targets;
  for (int64_t b = 0; b < images; ++b) {
    const int64_t positives = problem.sample.positive_count[b].item<int64_t>();
    const int64_t negatives = problem.sample.negative_count[b].item<int64_t>();
    positive.push_back(problem.sample.positive[b].slice(0, 0, positives) + b * anchors);
    negative.push_back(problem.sample.negative[b].slice(0, 0, negatives) + b * anchors);
    targets.push_back(problem.targets[b].slice(0, 0, positives));
  }
  return RpnLoss(problem.logits.flatten(), problem.deltas.flatten(0, 1), at::cat(positive),
                 at::cat(negative), at::cat(targets), options);
}

// The gradients of a weighted sum with respect to the two tensors.
std::vector<at::Tensor> Gradients(const at::Tensor& first, const at::Tensor& second,
                                  const at::Tensor& logits, const at::Tensor& deltas) {
  logits.mutable_grad() = at::Tensor();
  deltas.mutable_grad() = at::Tensor();
  (2 * first + 3 * second).backward();
  return {logits.grad(), deltas.grad()};
}

TEST(SampledRpnLossTest, EqualsThePlainLossAndItsGradients) {
  for (const int64_t anchors : {1, 50, 700}) {
    RpnProblem problem = RandomRpnProblem(4, anchors, TestSeed());
    problem.logits.requires_grad_();
    problem.deltas.requires_grad_();
    for (const bool given : {false, true}) {
      RpnLossOptions options;
      if (given) options = {256.0, 2400.0, 10.0};
      const RpnLosses found =
          SampledRpnLoss(problem.logits, problem.deltas, problem.sample, problem.targets, options);
      const RpnLosses expected = PlainLosses(problem, options);
      EXPECT_TRUE(at::allclose(found.objectness, expected.objectness, kTolerance, kTolerance));
      EXPECT_TRUE(at::allclose(found.box, expected.box, kTolerance, kTolerance));
      const auto gradients = Gradients(found.objectness, found.box, problem.logits, problem.deltas);
      const auto wanted =
          Gradients(expected.objectness, expected.box, problem.logits, problem.deltas);
      for (size_t i = 0; i < 2; ++i) {
        EXPECT_TRUE(at::allclose(gradients[i], wanted[i], kTolerance, kTolerance));
      }
    }
  }
}

TEST(SampledRpnLossTest, WithoutSamplesItIsZero) {
  for (const int64_t images : {0, 2}) {
    RpnProblem problem = RandomRpnProblem(images, 5, TestSeed());
    problem.sample.positive_count.zero_();
    problem.sample.negative_count.zero_();
    problem.logits.requires_grad_();
    const RpnLosses losses =
        SampledRpnLoss(problem.logits, problem.deltas, problem.sample, problem.targets, {});
    EXPECT_EQ(losses.objectness.item<double>(), 0);
    EXPECT_EQ(losses.box.item<double>(), 0);
    losses.objectness.backward();
    EXPECT_TRUE(problem.logits.grad().eq(0).all().item<bool>());
  }
}

TEST(SampledRpnLossTest, TheGradientIsThatOfFiniteDifferences) {
  const RpnProblem problem = RandomRpnProblem(3, 12, TestSeed());
  RpnLossOptions options;
  options.beta = 0.5;
  const auto losses = [&](const std::vector<at::Tensor>& x) {
    const RpnLosses sum = SampledRpnLoss(x[0], x[1], problem.sample, problem.targets, options);
    return at::stack({sum.objectness, sum.box});
  };
  EXPECT_LT(MaxGradientError(losses, {problem.logits, problem.deltas}), 1e-7);
}

TEST(SampledRpnLossTest, HasNoSecondDerivative) {
  const RpnProblem problem = RandomRpnProblem(2, 12, TestSeed());
  const at::Tensor logits = problem.logits.clone().requires_grad_();
  const RpnLosses losses =
      SampledRpnLoss(logits, problem.deltas, problem.sample, problem.targets, {});
  const at::Tensor weight = at::ones({}, at::kDouble).requires_grad_();
  losses.objectness.backward(weight, /*retain_graph=*/true, /*create_graph=*/true);
  EXPECT_THAT(ErrorMessage([&] { logits.grad().sum().backward(); }),
              HasSubstr("the gradient of sampled losses cannot be differentiated again"));
}

TEST(SampledRpnLossTest, ErrorsNameTheArgument) {
  const RpnProblem problem = RandomRpnProblem(2, 12, TestSeed());
  const auto message = [&](const at::Tensor& logits, const CountedSample& sample) {
    return ErrorMessage(
        [&] { SampledRpnLoss(logits, problem.deltas, sample, problem.targets, {}); });
  };
  EXPECT_THAT(message(problem.logits[0], problem.sample), HasSubstr("logits"));
  at::Tensor bad = problem.logits.clone();
  bad[1][3] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(message(bad, problem.sample), HasSubstr("logits: row 1"));
  CountedSample sample = problem.sample;
  sample.negative = sample.negative + 12;
  EXPECT_THAT(message(problem.logits, sample), HasSubstr("negative"));
  sample = problem.sample;
  sample.positive_count = sample.positive_count + 100;
  EXPECT_THAT(message(problem.logits, sample), HasSubstr("positive_count"));
  RpnLossOptions options;
  options.box_weight = -1;
  EXPECT_THAT(ErrorMessage([&] {
                SampledRpnLoss(problem.logits, problem.deltas, problem.sample, problem.targets,
                               options);
              }),
              HasSubstr("box_weight"));
  options = {};
  options.beta = 1e300;  // infinite as a float32
  EXPECT_THAT(ErrorMessage([&] {
                SampledRpnLoss(problem.logits, problem.deltas, problem.sample, problem.targets,
                               options);
              }),
              StartsWith("beta: expected >= 0 and finite, got "));
}

struct HeadProblem {
  at::Tensor logits;   // [R, K + 1]
  at::Tensor deltas;   // [R, 4 G]
  at::Tensor labels;   // [R]
  at::Tensor targets;  // [R, 4]
};

HeadProblem RandomHeadProblem(int64_t rois, int64_t columns, int64_t groups, uint64_t seed) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  return {at::randn({rois, columns}, generator, at::kDouble).mul(4),
          at::randn({rois, 4 * groups}, generator, at::kDouble),
          at::randint(-1, columns, {rois}, generator, at::kLong),
          at::randn({rois, 4}, generator, at::kDouble)};
}

FastRcnnLosses PlainLosses(const HeadProblem& problem, const FastRcnnLossOptions& options) {
  const at::Tensor rows = problem.labels.ge(0).nonzero().squeeze(1);
  return FastRcnnLoss(problem.logits.index_select(0, rows), problem.deltas.index_select(0, rows),
                      problem.labels.index_select(0, rows), problem.targets.index_select(0, rows),
                      options);
}

TEST(SampledFastRcnnLossTest, EqualsThePlainLossAndItsGradients) {
  for (const int64_t rois : {1, 2, 600}) {
    for (const int64_t groups : {1, 4, 5}) {
      HeadProblem problem = RandomHeadProblem(rois, 5, groups, TestSeed());
      problem.logits.requires_grad_();
      problem.deltas.requires_grad_();
      FastRcnnLossOptions options;
      if (rois == 2) options.normalizer = 64.0;
      options.box_weight = 2;
      const FastRcnnLosses found = SampledFastRcnnLoss(problem.logits, problem.deltas,
                                                       problem.labels, problem.targets, options);
      const FastRcnnLosses expected = PlainLosses(problem, options);
      EXPECT_TRUE(
          at::allclose(found.classification, expected.classification, kTolerance, kTolerance));
      EXPECT_TRUE(at::allclose(found.box, expected.box, kTolerance, kTolerance));
      const auto gradients =
          Gradients(found.classification, found.box, problem.logits, problem.deltas);
      const auto wanted =
          Gradients(expected.classification, expected.box, problem.logits, problem.deltas);
      for (size_t i = 0; i < 2; ++i) {
        EXPECT_TRUE(at::allclose(gradients[i], wanted[i], kTolerance, kTolerance));
      }
    }
  }
}

TEST(SampledFastRcnnLossTest, WithoutRoisItIsZero) {
  const HeadProblem none = RandomHeadProblem(0, 3, 3, TestSeed());
  HeadProblem ignored = RandomHeadProblem(4, 3, 3, TestSeed());
  ignored.labels.fill_(-1);
  for (const HeadProblem& problem : {none, ignored}) {
    const FastRcnnLosses losses =
        SampledFastRcnnLoss(problem.logits, problem.deltas, problem.labels, problem.targets, {});
    EXPECT_EQ(losses.classification.item<double>(), 0);
    EXPECT_EQ(losses.box.item<double>(), 0);
  }
}

TEST(SampledFastRcnnLossTest, TheGradientIsThatOfFiniteDifferences) {
  const HeadProblem problem = RandomHeadProblem(12, 4, 4, TestSeed());
  const auto losses = [&](const std::vector<at::Tensor>& x) {
    const FastRcnnLosses sum = SampledFastRcnnLoss(x[0], x[1], problem.labels, problem.targets, {});
    return at::stack({sum.classification, sum.box});
  };
  EXPECT_LT(MaxGradientError(losses, {problem.logits, problem.deltas}), 1e-7);
}

TEST(SampledFastRcnnLossTest, ErrorsNameTheArgument) {
  const HeadProblem problem = RandomHeadProblem(4, 3, 3, TestSeed());
  EXPECT_THAT(ErrorMessage([&] {
                SampledFastRcnnLoss(problem.logits, problem.deltas, problem.labels + 5,
                                    problem.targets, {});
              }),
              HasSubstr("labels"));
  EXPECT_THAT(ErrorMessage([&] {
                SampledFastRcnnLoss(problem.logits, problem.deltas.slice(1, 0, 5), problem.labels,
                                    problem.targets, {});
              }),
              HasSubstr("deltas"));
  FastRcnnLossOptions options;
  options.box_distance = [](const at::Tensor& a, const at::Tensor& b) { return (a - b).sum(); };
  EXPECT_THAT(ErrorMessage([&] {
                SampledFastRcnnLoss(problem.logits, problem.deltas, problem.labels, problem.targets,
                                    options);
              }),
              HasSubstr("box_distance"));
  EXPECT_THAT(ErrorMessage([&] {
                SampledFastRcnnLoss(problem.logits, problem.deltas, problem.labels, problem.targets,
                                    {.beta = 1e300});
              }),
              StartsWith("beta: expected >= 0 and finite, got "));
}

}  // namespace
}  // namespace rcnn::ops
