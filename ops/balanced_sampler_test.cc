#include "rcnn/ops/balanced_sampler.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorIndexing.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randperm.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "rcnn/ops/error_message.h"
#include "rcnn/ops/testing/random_boxes.h"

namespace rcnn::ops {
namespace {

using ::testing::StartsWith;
using testing::TestGenerator;

// `positive` ones, `negative` zeros and `ignored` minus ones, mixed.
at::Tensor Labels(int64_t positive, int64_t negative, int64_t ignored) {
  const at::Tensor labels =
      at::cat({at::ones({positive}, at::kLong), at::zeros({negative}, at::kLong),
               at::full({ignored}, -1, at::kLong)});
  return labels.index({at::randperm(labels.size(0), TestGenerator())});
}

void ExpectAscendingAndLabelled(const at::Tensor& indices, const at::Tensor& labels,
                                int64_t label) {
  EXPECT_TRUE(labels.index({indices}).eq(label).all().item<bool>());
  const int64_t n = indices.size(0);
  if (n < 2) return;
  EXPECT_TRUE(indices.slice(0, 1, n).gt(indices.slice(0, 0, n - 1)).all().item<bool>());
}

void ExpectSizes(const at::Tensor& labels, const BalancedSamplerOptions& options, int64_t positive,
                 int64_t negative) {
  const BalancedSample sample = SampleBalanced(labels, options, TestGenerator());
  EXPECT_EQ(sample.positive.size(0), positive);
  EXPECT_EQ(sample.negative.size(0), negative);
  ExpectAscendingAndLabelled(sample.positive, labels, 1);
  ExpectAscendingAndLabelled(sample.negative, labels, 0);
}

TEST(SampleBalancedTest, LimitsPositivesAndFillsUpWithNegatives) {
  ExpectSizes(Labels(1000, 5000, 300), {}, 128, 128);
  ExpectSizes(Labels(3, 5000, 300), {}, 3, 253);
  ExpectSizes(Labels(0, 5000, 300), {}, 0, 256);
  ExpectSizes(Labels(100, 500, 0), {.count = 64, .positive_fraction = 0.25}, 16, 48);
}

TEST(SampleBalancedTest, IsSmallerIfThereAreTooFew) {
  ExpectSizes(Labels(1000, 7, 300), {}, 128, 7);
  ExpectSizes(Labels(2, 3, 300), {}, 2, 3);
  ExpectSizes(Labels(0, 0, 300), {}, 0, 0);
  ExpectSizes(Labels(0, 0, 0), {}, 0, 0);
  ExpectSizes(Labels(5, 5, 5), {.count = 0}, 0, 0);
}

TEST(SampleBalancedTest, RoundsHalfToEven) {
  ExpectSizes(Labels(9, 9, 0), {.count = 2, .positive_fraction = 0.25}, 0, 2);
  ExpectSizes(Labels(9, 9, 0), {.count = 6, .positive_fraction = 0.25}, 2, 4);
  ExpectSizes(Labels(9, 9, 0), {.count = 4, .positive_fraction = 1}, 4, 0);
  ExpectSizes(Labels(9, 9, 0), {.count = 4, .positive_fraction = 0}, 0, 4);
}

TEST(SampleBalancedTest, ClassLabelsArePositive) {
  const at::Tensor labels = at::tensor({0, 7, -1, 20, 0}, at::kLong);
  const BalancedSample sample = SampleBalanced(labels, {}, TestGenerator());
  EXPECT_TRUE(at::equal(sample.positive, at::tensor({1, 3}, at::kLong)));
  EXPECT_TRUE(at::equal(sample.negative, at::tensor({0, 4}, at::kLong)));
}

TEST(SampleBalancedTest, SameGeneratorSameSampleOtherSeedOther) {
  const at::Tensor labels = Labels(1000, 5000, 300);
  const auto sample = [&](uint64_t seed) {
    return SampleBalanced(labels, {}, at::detail::createCPUGenerator(seed));
  };
  EXPECT_TRUE(at::equal(sample(5).positive, sample(5).positive));
  EXPECT_TRUE(at::equal(sample(5).negative, sample(5).negative));
  EXPECT_FALSE(at::equal(sample(5).negative, sample(6).negative));
}

TEST(SampleBalancedTest, TakesNoDrawsWhenAllAreChosen) {
  at::Generator generator = at::detail::createCPUGenerator(3);
  const at::Tensor before = at::rand({3}, at::detail::createCPUGenerator(3));
  SampleBalanced(Labels(5, 6, 7), {}, generator);
  EXPECT_TRUE(at::equal(at::rand({3}, generator), before));
}

// Each of the 20 examples is chosen with probability 1/4: mean 1000 of 4000, standard deviation
// sqrt(4000 / 4 * 3 / 4) = 27.4; five of them either way.
TEST(SampleBalancedTest, IsUniform) {
  const at::Tensor labels = at::zeros({20}, at::kLong);
  at::Generator generator = TestGenerator();
  at::Tensor counts = at::zeros({20}, at::kLong);
  for (int i = 0; i < 4000; ++i) {
    const BalancedSample sample = SampleBalanced(labels, {.count = 5}, generator);
    counts.index_add_(0, sample.negative, at::ones({5}, at::kLong));
  }
  EXPECT_GT(counts.min().item<int64_t>(), 1000 - 137);
  EXPECT_LT(counts.max().item<int64_t>(), 1000 + 137);
}

TEST(SampleBalancedTest, NamesBadArguments) {
  const auto error_message = [](const at::Tensor& labels,
                                const BalancedSamplerOptions& options = {},
                                const at::Generator& generator = TestGenerator()) {
    return ErrorMessage([&] { SampleBalanced(labels, options, generator); });
  };
  const at::Tensor labels = Labels(1, 1, 1);
  EXPECT_THAT(error_message(at::zeros({3, 1}, at::kLong)),
              StartsWith("labels: expected shape [*]"));
  EXPECT_THAT(error_message(at::zeros({3})), StartsWith("labels: expected dtype int64"));
  EXPECT_THAT(error_message(labels, {.count = -1}), StartsWith("count: expected >= 0"));
  EXPECT_THAT(error_message(labels, {.positive_fraction = 1.5}),
              StartsWith("positive_fraction: expected in [0, 1]"));
  EXPECT_THAT(error_message(labels, {.positive_fraction = NAN}), StartsWith("positive_fraction"));
  EXPECT_THAT(error_message(labels, {}, at::Generator()),
              StartsWith("generator: expected a CPU generator"));
}

}  // namespace
}  // namespace rcnn::ops
