#include "rcnn/ops/counter_sampler.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/ops/counter_sampler_work.h"
#include "rcnn/ops/error_message.h"
#include "rcnn/ops/kernels/balanced_sample.h"
#include "rcnn/ops/testing/host_arrays.h"
#include "rcnn/ops/testing/host_grid.h"
#include "rcnn/ops/testing/test_seed.h"

namespace rcnn::ops {
namespace {

using ::rcnn::ops::testing::HostArrays;
using ::rcnn::ops::testing::HostGrid;
using ::rcnn::ops::testing::HostOrder;
using ::rcnn::ops::testing::kAllHostOrders;
using ::rcnn::ops::testing::TestSeed;
using ::testing::HasSubstr;

// About a tenth positive, a tenth never sampled.
at::Tensor RandomLabels(int64_t images, int64_t rows, uint64_t seed) {
  const at::Tensor values =
      at::rand({images, rows}, at::detail::createCPUGenerator(seed), at::kFloat);
  return values.lt(0.1).to(at::kLong) * 3 - values.gt(0.9).to(at::kLong);
}

CountedSample SampleByGrid(const at::Tensor& labels, const at::Tensor& ids, uint64_t key,
                           const BalancedSamplerOptions& options, HostOrder order,
                           const c10::optional<int64_t>& appended_from = c10::nullopt) {
  const CountedSample sample = AllocateSample(labels, options);
  SampleWork work = MakeSampleWork(labels, ids, key, options.count, appended_from, sample);
  HostArrays arrays;
  PlanSample(arrays, &work);
  HostGrid launch(order, TestSeed());
  SampleExamples(launch, work);
  EXPECT_EQ(launch.conflict(), "");
  return sample;
}

void ExpectEqual(const CountedSample& a, const CountedSample& b) {
  EXPECT_TRUE(at::equal(a.positive, b.positive));
  EXPECT_TRUE(at::equal(a.positive_count, b.positive_count));
  EXPECT_TRUE(at::equal(a.negative, b.negative));
  EXPECT_TRUE(at::equal(a.negative_count, b.negative_count));
}

class SampleByCountersLevelTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, SampleByCountersLevelTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

TEST_P(SampleByCountersLevelTest, EqualsTheKernelInAnyOrder) {
  const uint64_t key = 0x123456789abcdef0 + TestSeed();
  for (const int64_t images : {0, 1, 3}) {
    for (const int64_t rows : {0, 1, 7, 300, 5000}) {
      const at::Tensor labels = RandomLabels(images, rows, TestSeed());
      const at::Tensor ids = at::arange(images, at::kLong) * 1000;
      const CountedSample sample = SampleByCounters(labels, ids, key, {64, 0.25});
      for (const HostOrder order : kAllHostOrders) {
        ExpectEqual(sample, SampleByGrid(labels, ids, key, {64, 0.25}, order));
      }
    }
  }
}

// Where the appended rows begin within a Philox block, on its border, and nowhere; and with more
// wanted than there are.
TEST(SampleByCountersTest, EqualsTheKernelWithAppendedRows) {
  const at::Tensor ids = at::tensor({3, 1}, at::kLong);
  for (const int64_t rows : {9, 1200}) {
    const at::Tensor labels = RandomLabels(2, rows, TestSeed());
    for (const int64_t appended_from : {int64_t{0}, int64_t{5}, int64_t{8}, rows}) {
      for (const int64_t count : {0, 3, 64, 5000}) {
        ExpectEqual(
            SampleByCounters(labels, ids, 5, {count, 0.25}, appended_from),
            SampleByGrid(labels, ids, 5, {count, 0.25}, HostOrder::kForward, appended_from));
      }
    }
  }
}

// Rows that are scanned in several parts, with the border to the appended ones inside a part.
TEST(SampleByCountersTest, EqualsTheKernelOverSeveralParts) {
  const at::Tensor labels = RandomLabels(2, 100000, TestSeed()), ids = at::arange(2, at::kLong);
  ExpectEqual(SampleByCounters(labels, ids, 5, {256, 0.5}, 70001),
              SampleByGrid(labels, ids, 5, {256, 0.5}, HostOrder::kForward, 70001));
}

TEST(SampleByCountersTest, TakesAMillionLabels) {
  const at::Tensor labels = RandomLabels(1, 1000000, TestSeed());
  const at::Tensor ids = at::zeros({1}, at::kLong);
  const CountedSample sample = SampleByCounters(labels, ids, 7, {256, 0.5});
  ExpectEqual(sample, SampleByGrid(labels, ids, 7, {256, 0.5}, HostOrder::kForward));
  EXPECT_EQ(sample.positive_count.item<int64_t>(), 128);
  EXPECT_EQ(sample.negative_count.item<int64_t>(), 128);
  EXPECT_TRUE(labels[0].index_select(0, sample.positive[0]).eq(3).all().item<bool>());
  EXPECT_TRUE(
      labels[0].index_select(0, sample.negative[0].slice(0, 0, 128)).eq(0).all().item<bool>());
}

// 2 positives leave room for 6 negatives; those beyond the counts are 0.
TEST(SampleByCountersTest, FillsWithNegatives) {
  const at::Tensor labels = at::zeros({1, 20}, at::kLong);
  labels[0][4] = 1;
  labels[0][9] = 2;
  const CountedSample sample = SampleByCounters(labels, at::ones({1}, at::kLong), 1, {8, 0.5});
  EXPECT_TRUE(sample.positive.equal(at::tensor({4, 9, 0, 0}, at::kLong).view({1, 4})));
  EXPECT_EQ(sample.positive_count.item<int64_t>(), 2);
  EXPECT_EQ(sample.negative_count.item<int64_t>(), 6);
  EXPECT_TRUE(sample.negative.slice(1, 6).eq(0).all().item<bool>());
}

TEST(SampleByCountersTest, AnImageWithoutObjectsGivesNegatives) {
  const CountedSample sample =
      SampleByCounters(at::zeros({2, 5}, at::kLong), at::zeros({2}, at::kLong), 1, {4, 0.5});
  EXPECT_TRUE(sample.positive_count.eq(0).all().item<bool>());
  EXPECT_TRUE(sample.negative_count.eq(4).all().item<bool>());
}

TEST(SampleByCountersTest, AnotherKeyOrImagePicksOthers) {
  const at::Tensor labels = at::zeros({1, 1000}, at::kLong), ids = at::zeros({1}, at::kLong);
  const at::Tensor negative = SampleByCounters(labels, ids, 1, {64, 0.5}).negative;
  EXPECT_TRUE(negative.equal(SampleByCounters(labels, ids, 1, {64, 0.5}).negative));
  EXPECT_FALSE(negative.equal(SampleByCounters(labels, ids, 2, {64, 0.5}).negative));
  EXPECT_FALSE(negative.equal(SampleByCounters(labels, ids + 1, 1, {64, 0.5}).negative));
}

// The numbers of times that each of n rows is in k of S samples. The rows of a sample differ, so
// that the sum of squares over S p (1 - p) n / (n - 1), with p = k / n, has the chi-square
// distribution of n - 1 degrees of freedom.
double ChiSquare(const at::Tensor& counts, double samples, double k) {
  const auto n = static_cast<double>(counts.size(0));
  const double p = k / n;
  const double squares = (counts.to(at::kDouble) - samples * p).square().sum().item<double>();
  return squares / (samples * p * (1 - p)) * (n - 1) / n;
}

// Of many images under one key, and of one image under many keys, as in training. Rows 20 to 29 are
// appended. With 29 degrees of freedom 0.1 % of the values are below 10.99, and 0.1 % above 58.3.
TEST(SampleByCountersTest, EveryRowIsEquallyLikely) {
  constexpr int64_t kRows = 30, kTaken = 6, kSamples = 4000;
  const at::Tensor labels = at::zeros({kSamples, kRows}, at::kLong);
  const at::Tensor ids = at::arange(kSamples, at::kLong);
  const at::Tensor of_images =
      SampleByCounters(labels, ids, 1, {kTaken, 0}, 20).negative.flatten().bincount({}, kRows);
  EXPECT_EQ(of_images.sum().item<int64_t>(), kSamples * kTaken);
  EXPECT_GT(ChiSquare(of_images, kSamples, kTaken), 10.99);
  EXPECT_LT(ChiSquare(of_images, kSamples, kTaken), 58.3);
  at::Tensor of_keys = at::zeros({kRows}, at::kLong);
  for (int64_t key = 0; key < kSamples; ++key) {
    const at::Tensor rows =
        SampleByCounters(labels.slice(0, 0, 1), ids.slice(0, 7, 8), key, {kTaken, 0}, 20).negative;
    of_keys += rows.flatten().bincount({}, kRows);
  }
  EXPECT_GT(ChiSquare(of_keys, kSamples, kTaken), 10.99);
  EXPECT_LT(ChiSquare(of_keys, kSamples, kTaken), 58.3);
}

TEST(SampleImageByCountersTest, HasThePicksOfTheBatchInTensorsOfTheirSize) {
  const at::Tensor labels = RandomLabels(2, 40, TestSeed());
  for (const int64_t count : {0, 8, 64}) {
    const CountedSample batch =
        SampleByCounters(labels, at::tensor({4, 9}, at::kLong), 5, {count, 0.25}, 30);
    const BalancedSample image = SampleImageByCounters(labels[1], 9, 5, {count, 0.25}, 30);
    const int64_t positives = batch.positive_count[1].item<int64_t>();
    const int64_t negatives = batch.negative_count[1].item<int64_t>();
    EXPECT_TRUE(image.positive.equal(batch.positive[1].slice(0, 0, positives)));
    EXPECT_TRUE(image.negative.equal(batch.negative[1].slice(0, 0, negatives)));
    EXPECT_EQ(image.positive.size(0), positives);
    EXPECT_EQ(image.negative.size(0), negatives);
  }
  const BalancedSample none = SampleImageByCounters(at::zeros({0}, at::kLong), 1, 1, {});
  EXPECT_EQ(none.positive.size(0) + none.negative.size(0), 0);
}

// Labels that are not contiguous.
TEST(SampleByCountersTest, ReadsAnyStrides) {
  const at::Tensor labels = RandomLabels(3, 200, TestSeed()), ids = at::arange(3, at::kLong);
  ExpectEqual(SampleByCounters(labels, ids, 1, {}),
              SampleByCounters(labels.t().contiguous().t(), ids, 1, {}));
}

TEST(SampleByCountersTest, ErrorsNameTheArgument) {
  const at::Tensor labels = at::zeros({2, 5}, at::kLong), ids = at::zeros({2}, at::kLong);
  EXPECT_THAT(ErrorMessage([&] { SampleByCounters(labels[0], ids, 1, {}); }), HasSubstr("labels"));
  EXPECT_THAT(ErrorMessage([&] { SampleByCounters(labels, ids.slice(0, 1), 1, {}); }),
              HasSubstr("image_ids"));
  EXPECT_THAT(ErrorMessage([&] {
                SampleByCounters(labels, ids, 1, {-1, 0.5});
              }),
              HasSubstr("count"));
  EXPECT_THAT(ErrorMessage([&] {
                SampleByCounters(labels, ids, 1, {4, 1.5});
              }),
              HasSubstr("positive_fraction"));
  for (const int64_t appended_from : {-1, 6}) {
    EXPECT_THAT(ErrorMessage([&] { SampleByCounters(labels, ids, 1, {}, appended_from); }),
                HasSubstr("appended_from: expected in [0, 5]"));
  }
  EXPECT_THAT(ErrorMessage([&] { SampleImageByCounters(labels, 1, 1, {}); }),
              HasSubstr("labels: expected shape [*]"));
}

}  // namespace
}  // namespace rcnn::ops
