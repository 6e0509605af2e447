#include "rcnn/ops/kernels/balanced_sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

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
using ::testing::ElementsAreArray;

struct Sample {
  std::vector<int64_t> positive;
  std::vector<int64_t> negative;
};

struct Request {
  std::vector<std::vector<int64_t>> labels;  // per image, equally many
  std::vector<int64_t> image_ids;
  uint64_t key = 1;
  int64_t count = 0;
  int64_t max_positive = 0;
  int64_t appended_from = -1;  // none
};

std::vector<Sample> SampleByGrid(const Request& request, HostOrder order) {
  std::vector<int64_t> labels;
  for (const auto& row : request.labels) labels.insert(labels.end(), row.begin(), row.end());
  const int64_t images = static_cast<int64_t>(request.labels.size());
  std::vector<int64_t> positive(images * request.max_positive, 99), positive_count(images);
  std::vector<int64_t> negative(images * request.count, 99), negative_count(images);
  SampleWork work{};
  work.images = images;
  work.rows = static_cast<int64_t>(request.labels[0].size());
  work.appended_from = request.appended_from < 0 ? work.rows : request.appended_from;
  work.labels = labels.data();
  work.image_ids = request.image_ids.data();
  work.key = request.key;
  work.count = request.count;
  work.max_positive = request.max_positive;
  work.positive = positive.data();
  work.positive_count = positive_count.data();
  work.negative = negative.data();
  work.negative_count = negative_count.data();
  HostArrays arrays;
  PlanSample(arrays, &work);
  HostGrid launch(order, TestSeed());
  SampleExamples(launch, work);
  EXPECT_EQ(launch.conflict(), "");
  std::vector<Sample> samples;
  for (int64_t i = 0; i < images; ++i) {
    const auto first_positive = positive.begin() + i * request.max_positive;
    const auto first_negative = negative.begin() + i * request.count;
    samples.push_back({{first_positive, first_positive + positive_count[i]},
                       {first_negative, first_negative + negative_count[i]}});
  }
  return samples;
}

// Sorts the candidates by (bits, row) and takes the first.
std::vector<int64_t> FirstByBits(std::vector<int64_t> rows, int64_t count, uint64_t key,
                                 int64_t image) {
  std::stable_sort(rows.begin(), rows.end(), [&](int64_t a, int64_t b) {
    return RandomBits(key, image, a) < RandomBits(key, image, b);
  });
  rows.resize(std::min<size_t>(rows.size(), static_cast<size_t>(std::max<int64_t>(count, 0))));
  std::sort(rows.begin(), rows.end());
  return rows;
}

std::vector<int64_t> RowsWhere(const std::vector<int64_t>& labels, bool is_positive) {
  std::vector<int64_t> rows;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (is_positive ? labels[i] > 0 : labels[i] == 0) rows.push_back(static_cast<int64_t>(i));
  }
  return rows;
}

TEST(BalancedSampleKernelTest, TakesTheSmallestBitsOfEachSign) {
  std::mt19937_64 random(TestSeed());
  for (const int64_t rows : {0, 1, 50, 1000, 3000}) {
    for (const double positives : {0.0, 0.1, 0.9}) {
      Request request;
      request.image_ids = {7, 123456789012, 0};
      request.key = random();
      request.count = 64;
      request.max_positive = 16;
      for (int image = 0; image < 3; ++image) {
        request.labels.emplace_back(rows);
        for (int64_t& label : request.labels.back()) {
          const double value = std::uniform_real_distribution<double>()(random);
          label = value < positives ? 1 + image : value < 0.95 ? 0 : -1;
        }
      }
      for (const HostOrder order : kAllHostOrders) {
        const std::vector<Sample> samples = SampleByGrid(request, order);
        for (size_t i = 0; i < samples.size(); ++i) {
          const auto positive = FirstByBits(RowsWhere(request.labels[i], true), 16, request.key,
                                            request.image_ids[i]);
          EXPECT_THAT(samples[i].positive, ElementsAreArray(positive));
          EXPECT_THAT(samples[i].negative,
                      ElementsAreArray(FirstByBits(RowsWhere(request.labels[i], false),
                                                   64 - static_cast<int64_t>(positive.size()),
                                                   request.key, request.image_ids[i])));
        }
      }
    }
  }
}

// An image's picks are its own: neither its place nor its neighbours matter.
TEST(BalancedSampleKernelTest, DoesNotDependOnTheBatch) {
  Request request;
  request.count = 20;
  request.max_positive = 10;
  std::mt19937_64 random(TestSeed());
  for (int image = 0; image < 3; ++image) {
    request.image_ids.push_back(100 + image);
    request.labels.emplace_back();
    for (int i = 0; i < 200; ++i)
      request.labels.back().push_back(static_cast<int64_t>(random() % 2));
  }
  const std::vector<Sample> together = SampleByGrid(request, HostOrder::kForward);
  Request alone = request;
  alone.labels = {request.labels[2]};
  alone.image_ids = {request.image_ids[2]};
  const std::vector<Sample> single = SampleByGrid(alone, HostOrder::kForward);
  EXPECT_EQ(single[0].positive, together[2].positive);
  EXPECT_EQ(single[0].negative, together[2].negative);
}

// Proposals, then four objects: which objects are picked does not depend on how many proposals
// there are. They are drawn like rows from 2^32 on.
TEST(BalancedSampleKernelTest, AppendedRowsHaveDrawsOfTheirOwn) {
  constexpr int64_t kFirst = int64_t{1} << 32;
  for (uint64_t key = 0; key < 10; ++key) {
    const std::vector<int64_t> expected =
        FirstByBits({kFirst, kFirst + 1, kFirst + 2, kFirst + 3}, 2, key, 7);
    for (const int64_t proposals : {0, 1, 5, 1030}) {
      Request request;
      request.labels = {std::vector<int64_t>(proposals + 4, -1)};
      std::fill_n(request.labels[0].end() - 4, 4, 0);
      request.image_ids = {7};
      request.key = key;
      request.count = 2;
      request.appended_from = proposals;
      const Sample sample = SampleByGrid(request, HostOrder::kForward)[0];
      ASSERT_EQ(sample.negative.size(), 2u);
      for (size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(sample.negative[i], proposals + expected[i] - kFirst) << key;
      }
    }
  }
}

// Each of 20 rows is in a sample of 5 with probability 1/4: of 1,000 samples in 250, with a
// standard deviation of 14. Pairs: 5 * 4 / (20 * 19) of 1,000 are 53, with one of 7.
TEST(BalancedSampleKernelTest, EverySubsetIsEquallyLikely) {
  constexpr int64_t kSamples = 1000;
  Request request;
  request.labels.assign(kSamples, std::vector<int64_t>(20, 0));
  request.image_ids.resize(kSamples);
  std::iota(request.image_ids.begin(), request.image_ids.end(), int64_t{0});
  request.key = TestSeed();
  request.count = 5;
  std::vector<int64_t> rows(20), pairs(400);
  for (const Sample& sample : SampleByGrid(request, HostOrder::kForward)) {
    ASSERT_EQ(sample.negative.size(), 5u);
    for (const int64_t a : sample.negative) {
      ++rows[a];
      for (const int64_t b : sample.negative) ++pairs[20 * a + b];
    }
  }
  for (const int64_t count : rows) EXPECT_NEAR(count, 250, 6 * 14);
  for (int64_t i = 0; i < 400; ++i) {
    if (i / 20 == i % 20) continue;
    EXPECT_NEAR(pairs[i], 53, 6 * 7);
  }
}

}  // namespace
}  // namespace rcnn::ops
