#include "rcnn/ops/kernels/sampled_losses.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "rcnn/ops/fast_rcnn_loss.h"
#include "rcnn/ops/rpn_loss.h"
#include "rcnn/ops/testing/host_grid.h"
#include "rcnn/ops/testing/test_seed.h"

namespace rcnn::ops {
namespace {

using ::rcnn::ops::testing::HostGrid;
using ::rcnn::ops::testing::HostOrder;
using ::rcnn::ops::testing::kAllHostOrders;
using ::rcnn::ops::testing::TestSeed;

template <typename T>
constexpr at::ScalarType kDtype = at::kFloat;
template <>
constexpr at::ScalarType kDtype<double> = at::kDouble;

// Losses and gradients: [class, box], logits, deltas.
struct Outcome {
  at::Tensor losses;
  at::Tensor grad_logits;
  at::Tensor grad_deltas;
};

struct Normalizers {
  double class_normalizer = 0;  // 0: the number of rows that count
  double box_normalizer = 0;
  double box_weight = 1;
  double beta = 1;
};

template <typename T>
LossSums<T> MakeSums(const Normalizers& normalizers, int64_t rows, std::vector<T>& scratch,
                     const at::Tensor& losses) {
  scratch.resize(3 * rows + 3);
  return {scratch.data(),
          scratch.data() + 3 * rows,
          losses.data_ptr<T>(),
          static_cast<T>(normalizers.class_normalizer),
          static_cast<T>(normalizers.box_normalizer),
          static_cast<T>(normalizers.box_weight),
          static_cast<T>(normalizers.beta)};
}

void ExpectClose(const Outcome& actual, const Outcome& expected, double tolerance) {
  EXPECT_TRUE(at::allclose(actual.losses, expected.losses, tolerance, tolerance))
      << actual.losses << expected.losses;
  EXPECT_TRUE(at::allclose(actual.grad_logits, expected.grad_logits, tolerance, tolerance));
  EXPECT_TRUE(at::allclose(actual.grad_deltas, expected.grad_deltas, tolerance, tolerance));
}

void ExpectSameBits(const Outcome& a, const Outcome& b) {
  EXPECT_TRUE(at::equal(a.losses, b.losses));
  EXPECT_TRUE(at::equal(a.grad_logits, b.grad_logits));
  EXPECT_TRUE(at::equal(a.grad_deltas, b.grad_deltas));
}

at::Tensor Gradient(const at::Tensor& tensor) {
  return tensor.grad().defined() ? tensor.grad() : at::zeros_like(tensor);
}

struct RpnProblem {
  at::Tensor logits;    // [B, A]
  at::Tensor deltas;    // [B, A, 4]
  at::Tensor positive;  // [B, P]
  at::Tensor positive_count;
  at::Tensor negative;  // [B, Q]
  at::Tensor negative_count;
  at::Tensor target_deltas;  // [B, P, 4]
};

struct RpnSizes {
  int64_t images = 3;
  int64_t anchors = 600;  // of an image
};

// Images have between no and all samples; rows beyond the counts are 0.
RpnProblem RandomRpnProblem(std::mt19937_64& random, at::ScalarType dtype,
                            const RpnSizes& sizes = {}) {
  const int64_t images = sizes.images, anchors = sizes.anchors;
  const int64_t most_positive = 40, most_negative = 300;
  at::Generator generator = at::detail::createCPUGenerator(random());
  RpnProblem problem = {at::randn({images, anchors}, generator, at::kDouble).mul(4).to(dtype),
                        at::randn({images, anchors, 4}, generator, at::kDouble).to(dtype),
                        at::zeros({images, most_positive}, at::kLong),
                        at::randint(0, most_positive + 1, {images}, generator, at::kLong),
                        at::zeros({images, most_negative}, at::kLong),
                        at::randint(0, most_negative + 1, {images}, generator, at::kLong),
                        at::randn({images, most_positive, 4}, generator, at::kDouble).to(dtype)};
  if (random() % 3 == 0) problem.positive_count.zero_();
  if (random() % 3 == 0) problem.negative_count.zero_();
  for (int64_t image = 0; image < images; ++image) {
    const at::Tensor order = at::randperm(anchors, generator, at::kLong);
    const int64_t positives = problem.positive_count[image].item<int64_t>();
    const int64_t negatives = problem.negative_count[image].item<int64_t>();
    problem.positive[image].slice(0, 0, positives).copy_(order.slice(0, 0, positives));
    problem.negative[image]
        .slice(0, 0, negatives)
        .copy_(order.slice(0, positives, positives + negatives));
  }
  return problem;
}

template <typename T>
Outcome RpnByGrid(const RpnProblem& problem, const Normalizers& normalizers, HostOrder order) {
  const Outcome outcome = {at::full({2}, 99, problem.logits.options()),
                           at::full_like(problem.logits, 99), at::full_like(problem.deltas, 99)};
  RpnLossWork<T> work{};
  work.images = problem.logits.size(0);
  work.anchors = problem.logits.size(1);
  work.logits = problem.logits.data_ptr<T>();
  work.deltas = problem.deltas.data_ptr<T>();
  work.positive_capacity = problem.positive.size(1);
  work.positive = problem.positive.data_ptr<int64_t>();
  work.positive_count = problem.positive_count.data_ptr<int64_t>();
  work.target_deltas = problem.target_deltas.data_ptr<T>();
  work.negative_capacity = problem.negative.size(1);
  work.negative = problem.negative.data_ptr<int64_t>();
  work.negative_count = problem.negative_count.data_ptr<int64_t>();
  std::vector<T> scratch;
  work.sums = MakeSums<T>(normalizers, work.Rows(), scratch, outcome.losses);
  work.grad_logits = outcome.grad_logits.data_ptr<T>();
  work.grad_deltas = outcome.grad_deltas.data_ptr<T>();
  HostGrid launch(order, TestSeed());
  ComputeRpnLosses(launch, work);
  EXPECT_EQ(launch.conflict(), "");
  return outcome;
}

// The samples of all images as the operator takes them.
Outcome RpnByOperator(const RpnProblem& problem, const Normalizers& normalizers) {
  const int64_t anchors = problem.logits.size(1);
  const at::Tensor logits = problem.logits.clone().requires_grad_();
  const at::Tensor deltas = problem.deltas.clone().requires_grad_();
  std::vector<at::Tensor> positive, negative, targets;
  for (int64_t image = 0; image < problem.logits.size(0); ++image) {
    const int64_t positives = problem.positive_count[image].item<int64_t>();
    const int64_t negatives = problem.negative_count[image].item<int64_t>();
    positive.push_back(problem.positive[image].slice(0, 0, positives) + image * anchors);
    negative.push_back(problem.negative[image].slice(0, 0, negatives) + image * anchors);
    targets.push_back(problem.target_deltas[image].slice(0, 0, positives));
  }
  RpnLossOptions options;
  if (normalizers.class_normalizer > 0)
    options.objectness_normalizer = normalizers.class_normalizer;
  if (normalizers.box_normalizer > 0) options.box_normalizer = normalizers.box_normalizer;
  options.box_weight = normalizers.box_weight;
  options.beta = normalizers.beta;
  const RpnLosses losses = RpnLoss(logits.flatten(), deltas.flatten(0, 1), at::cat(positive),
                                   at::cat(negative), at::cat(targets), options);
  (losses.objectness + losses.box).backward();
  return {at::stack({losses.objectness, losses.box}).detach(), Gradient(logits), Gradient(deltas)};
}

struct HeadProblem {
  at::Tensor logits;         // [R, K + 1]
  at::Tensor deltas;         // [R, 4 G]
  at::Tensor labels;         // [R], -1: does not count
  at::Tensor target_deltas;  // [R, 4]
};

struct HeadSizes {
  int64_t rois;
  int64_t classes;
  int64_t groups;  // of deltas
};

HeadProblem RandomHeadProblem(std::mt19937_64& random, at::ScalarType dtype,
                              const HeadSizes& sizes) {
  at::Generator generator = at::detail::createCPUGenerator(random());
  const auto [rois, classes, groups] = sizes;
  return {at::randn({rois, classes}, generator, at::kDouble).mul(4).to(dtype),
          at::randn({rois, 4 * groups}, generator, at::kDouble).to(dtype),
          at::randint(-1, classes, {rois}, generator, at::kLong),
          at::randn({rois, 4}, generator, at::kDouble).to(dtype)};
}

HeadProblem RandomHeadProblem(std::mt19937_64& random, at::ScalarType dtype) {
  const auto pick = [&](std::vector<int64_t> values) { return values[random() % values.size()]; };
  const int64_t rois = pick({0, 1, 255, 256, 700}), classes = pick({2, 4, 21});
  return RandomHeadProblem(random, dtype, {rois, classes, pick({1, classes - 1, classes})});
}

template <typename T>
Outcome HeadByGrid(const HeadProblem& problem, const Normalizers& normalizers, HostOrder order) {
  const Outcome outcome = {at::full({2}, 99, problem.logits.options()),
                           at::full_like(problem.logits, 99), at::full_like(problem.deltas, 99)};
  HeadLossWork<T> work{};
  work.rois = problem.logits.size(0);
  work.classes = problem.logits.size(1);
  work.logits = problem.logits.data_ptr<T>();
  work.delta_groups = problem.deltas.size(1) / 4;
  work.deltas = problem.deltas.data_ptr<T>();
  work.labels = problem.labels.data_ptr<int64_t>();
  work.target_deltas = problem.target_deltas.data_ptr<T>();
  std::vector<T> scratch;
  work.sums = MakeSums<T>(normalizers, work.rois, scratch, outcome.losses);
  work.grad_logits = outcome.grad_logits.data_ptr<T>();
  work.grad_deltas = outcome.grad_deltas.data_ptr<T>();
  HostGrid launch(order, TestSeed());
  ComputeHeadLosses(launch, work);
  EXPECT_EQ(launch.conflict(), "");
  return outcome;
}

Outcome HeadByOperator(const HeadProblem& problem, const Normalizers& normalizers) {
  const at::Tensor logits = problem.logits.clone().requires_grad_();
  const at::Tensor deltas = problem.deltas.clone().requires_grad_();
  const at::Tensor counting = problem.labels.ge(0).nonzero().squeeze(1);
  FastRcnnLossOptions options;
  if (normalizers.class_normalizer > 0) options.normalizer = normalizers.class_normalizer;
  options.box_weight = normalizers.box_weight;
  options.beta = normalizers.beta;
  const FastRcnnLosses losses =
      FastRcnnLoss(logits.index_select(0, counting), deltas.index_select(0, counting),
                   problem.labels.index_select(0, counting),
                   problem.target_deltas.index_select(0, counting), options);
  (losses.classification + losses.box).backward();
  return {at::stack({losses.classification, losses.box}).detach(), Gradient(logits),
          Gradient(deltas)};
}

template <typename T>
class SampledLossesTest : public ::testing::Test {
 public:
  // Of sums in another order.
  static constexpr double kTolerance = kDtype<T> == at::kDouble ? 1e-12 : 1e-5;
};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(SampledLossesTest, Types);

TYPED_TEST(SampledLossesTest, RpnLossesEqualTheOperators) {
  std::mt19937_64 random(TestSeed());
  for (int i = 0; i < 20; ++i) {
    const RpnProblem problem = RandomRpnProblem(random, kDtype<TypeParam>);
    Normalizers normalizers;
    normalizers.beta = i % 3 == 0 ? 0 : 1.0 / 9;
    if (i % 2 == 0) normalizers = {256, 2400, 10, normalizers.beta};
    const Outcome expected = RpnByOperator(problem, normalizers);
    const Outcome forward = RpnByGrid<TypeParam>(problem, normalizers, HostOrder::kForward);
    ExpectClose(forward, expected, this->kTolerance);
    for (const HostOrder order : kAllHostOrders) {
      ExpectSameBits(RpnByGrid<TypeParam>(problem, normalizers, order), forward);
    }
  }
}

TYPED_TEST(SampledLossesTest, HeadLossesEqualTheOperators) {
  std::mt19937_64 random(TestSeed());
  for (int i = 0; i < 40; ++i) {
    const HeadProblem problem = RandomHeadProblem(random, kDtype<TypeParam>);
    Normalizers normalizers;
    if (i % 2 == 0) normalizers = {512, 512, 2, 0.5};
    const Outcome expected = HeadByOperator(problem, normalizers);
    const Outcome forward = HeadByGrid<TypeParam>(problem, normalizers, HostOrder::kForward);
    ExpectClose(forward, expected, this->kTolerance);
    for (const HostOrder order : kAllHostOrders) {
      ExpectSameBits(HeadByGrid<TypeParam>(problem, normalizers, order), forward);
    }
  }
}

// No positive, and in the second image no sample.
TYPED_TEST(SampledLossesTest, ImagesWithoutObjectsHaveNoBoxLoss) {
  std::mt19937_64 random(TestSeed());
  RpnProblem rpn = RandomRpnProblem(random, kDtype<TypeParam>);
  rpn.positive_count.zero_();
  rpn.negative_count = at::tensor({300, 0, 7}, at::kLong);
  for (int64_t image = 0; image < 3; ++image) {
    rpn.negative[image].copy_(at::arange(300));
  }
  HeadProblem head = RandomHeadProblem(random, kDtype<TypeParam>, {300, 4, 4});
  head.labels.clamp_max_(0);
  for (const HostOrder order : kAllHostOrders) {
    const Outcome of_rpn = RpnByGrid<TypeParam>(rpn, {}, order);
    ExpectClose(of_rpn, RpnByOperator(rpn, {}), this->kTolerance);
    const Outcome of_head = HeadByGrid<TypeParam>(head, {}, order);
    ExpectClose(of_head, HeadByOperator(head, {}), this->kTolerance);
    for (const Outcome& outcome : {of_rpn, of_head}) {
      EXPECT_GT(outcome.losses[0].template item<double>(), 0);
      EXPECT_EQ(outcome.losses[1].template item<double>(), 0);
      EXPECT_TRUE(outcome.grad_deltas.eq(0).all().template item<bool>());
    }
    EXPECT_TRUE(of_rpn.grad_logits[1].eq(0).all().template item<bool>());
  }
}

// On a device nobody has checked the arguments. `outcome` is that of `without`, where the wrong
// ones do not count, but for the losses.
void ExpectNanLosses(const Outcome& outcome, const Outcome& without) {
  EXPECT_TRUE(outcome.losses.isnan().all().item<bool>()) << outcome.losses;
  EXPECT_TRUE(at::equal(outcome.grad_logits, without.grad_logits));
  EXPECT_TRUE(at::equal(outcome.grad_deltas, without.grad_deltas));
}

TYPED_TEST(SampledLossesTest, ARowThatDoesNotExistGivesNanAndNoGradient) {
  std::mt19937_64 random(TestSeed());
  const Normalizers normalizers = {256, 2400, 10, 1};
  RpnProblem without = RandomRpnProblem(random, kDtype<TypeParam>);
  without.positive_count.fill_(3);
  without.negative_count.fill_(5);
  for (int64_t image = 0; image < 3; ++image) {
    without.positive[image].copy_(at::arange(40));
    without.negative[image].copy_(at::arange(100, 400));
  }
  RpnProblem wrong = without;
  wrong.positive = without.positive.clone();
  wrong.positive_count = at::full({3}, 4, at::kLong);
  wrong.positive.select(1, 3).copy_(at::tensor({600, -1, 601}, at::kLong));
  wrong.negative = without.negative.clone();
  wrong.negative_count = at::full({3}, 6, at::kLong);
  wrong.negative.select(1, 5).copy_(at::tensor({-1, 600, 1 << 30}, at::kLong));
  for (const HostOrder order : kAllHostOrders) {
    ExpectNanLosses(RpnByGrid<TypeParam>(wrong, normalizers, order),
                    RpnByGrid<TypeParam>(without, normalizers, order));
  }
}

TYPED_TEST(SampledLossesTest, ALabelThatDoesNotExistGivesNanAndNoGradient) {
  std::mt19937_64 random(TestSeed());
  const Normalizers normalizers = {512, 512, 2, 0.5};
  for (const int64_t groups : {1, 3, 4}) {
    HeadProblem without = RandomHeadProblem(random, kDtype<TypeParam>, {300, 4, groups});
    HeadProblem wrong = without;
    wrong.labels = without.labels.clone();
    const std::vector<int64_t> rows = {0, 7, 299}, labels = {4, int64_t{1} << 60, 5};
    for (size_t i = 0; i < rows.size(); ++i) {
      without.labels[rows[i]] = -1;
      wrong.labels[rows[i]] = labels[i];
    }
    for (const HostOrder order : kAllHostOrders) {
      ExpectNanLosses(HeadByGrid<TypeParam>(wrong, normalizers, order),
                      HeadByGrid<TypeParam>(without, normalizers, order));
    }
  }
}

TEST(SampledLossesLargeTest, MillionAnchors) {
  std::mt19937_64 random(TestSeed());
  const RpnProblem problem = RandomRpnProblem(random, at::kDouble, {1, 1000000});
  ExpectClose(RpnByGrid<double>(problem, {}, HostOrder::kReversed), RpnByOperator(problem, {}),
              SampledLossesTest<double>::kTolerance);
}

TEST(SampledLossesLargeTest, MillionRois) {
  std::mt19937_64 random(TestSeed());
  const HeadProblem problem = RandomHeadProblem(random, at::kDouble, {1000000, 3, 1});
  ExpectClose(HeadByGrid<double>(problem, {}, HostOrder::kReversed), HeadByOperator(problem, {}),
              SampledLossesTest<double>::kTolerance);
}

// No overflow and no loss of the small difference where a logit is large.
TYPED_TEST(SampledLossesTest, LogLossOfLargeLogits) {
  TypeParam gradient;
  EXPECT_EQ(LogLoss(TypeParam{1000}, &gradient), 0);
  EXPECT_EQ(gradient, 0);
  EXPECT_EQ(LogLoss(TypeParam{-1000}, &gradient), 1000);
  EXPECT_EQ(gradient, -1);
  EXPECT_NEAR(LogLoss(TypeParam{0}, &gradient), std::log(2.0), 1e-7);
  EXPECT_EQ(gradient, TypeParam{-0.5});
}

}  // namespace
}  // namespace rcnn::ops
