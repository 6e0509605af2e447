#include "rcnn/ops/counter_sampler.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "rcnn/ops/counter_sampler_work.h"
#include "rcnn/ops/error_message.h"
#include "rcnn/ops/kernels/balanced_sample.h"
#include "rcnn/ops/testing/host_grid.h"
#include "rcnn/ops/testing/test_seed.h"

namespace rcnn::ops {
namespace {

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
                           const BalancedSamplerOptions& options, HostOrder order) {
  const CountedSample sample = AllocateSample(labels, options);
  HostGrid launch(order, TestSeed());
  SampleExamples(launch, MakeSampleWork(labels, ids, key, options.count, sample));
  EXPECT_EQ(launch.conflict(), "");
  return sample;
}

void ExpectEqual(const CountedSample& a, const CountedSample& b) {
  EXPECT_TRUE(at::equal(a.positive, b.positive));
  EXPECT_TRUE(at::equal(a.positive_count, b.positive_count));
  EXPECT_TRUE(at::equal(a.negative, b.negative));
  EXPECT_TRUE(at::equal(a.negative_count, b.negative_count));
}

TEST(SampleByCountersTest, EqualsTheKernelInAnyOrder) {
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

TEST(SampleByCountersTest, AnotherKeyPicksOthers) {
  const at::Tensor labels = at::zeros({1, 1000}, at::kLong), ids = at::zeros({1}, at::kLong);
  EXPECT_FALSE(SampleByCounters(labels, ids, 1, {64, 0.5})
                   .negative.equal(SampleByCounters(labels, ids, 2, {64, 0.5}).negative));
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
}

}  // namespace
}  // namespace rcnn::ops
