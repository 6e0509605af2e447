#include "rcnn/ops/random_mask.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "rcnn/ops/error_message.h"
#include "rcnn/ops/kernels/random_mask.h"
#include "rcnn/ops/testing/host_grid.h"
#include "rcnn/ops/testing/test_seed.h"

namespace rcnn::ops {
namespace {

using ::rcnn::ops::testing::HostGrid;
using ::rcnn::ops::testing::kAllHostOrders;
using ::rcnn::ops::testing::TestSeed;
using ::testing::HasSubstr;

TEST(RandomMaskTest, EqualsTheKernelInAnyOrder) {
  const std::vector<std::vector<int64_t>> shapes = {{0},      {1},       {3},         {4},
                                                    {37, 29}, {2, 0, 5}, {1000, 1000}};
  for (const std::vector<int64_t>& sizes : shapes) {
    const at::Tensor mask = RandomMask(at::empty(sizes), TestSeed(), 0.3);
    for (const auto order : kAllHostOrders) {
      const at::Tensor by_grid = at::full(sizes, 9, at::kFloat);
      HostGrid launch(order, TestSeed());
      FillMask(launch,
               MakeFillRandomMask(by_grid, static_cast<int64_t>(TestSeed()), 0.3, c10::nullopt));
      EXPECT_TRUE(mask.equal(by_grid));
    }
  }
}

TEST(RandomMaskTest, EqualsTheKernelWithDrawRows) {
  const std::vector<std::vector<int64_t>> shapes = {{0, 3},   {5, 0},    {1},         {6, 1},
                                                    {37, 29}, {7, 2, 5}, {1000, 1000}};
  for (const std::vector<int64_t>& sizes : shapes) {
    const at::Tensor rows =
        at::randint(0, 1000, {sizes[0], 2}, at::detail::createCPUGenerator(TestSeed()), at::kLong);
    const at::Tensor mask = RandomMask(at::empty(sizes), TestSeed(), 0.3, rows);
    for (const auto order : kAllHostOrders) {
      const at::Tensor by_grid = at::full(sizes, 9, at::kFloat);
      HostGrid launch(order, TestSeed());
      FillMask(launch, MakeFillRandomMask(by_grid, static_cast<int64_t>(TestSeed()), 0.3, rows));
      EXPECT_TRUE(mask.equal(by_grid));
    }
  }
}

// Rows in another order and in parts, as processes and padding put them.
TEST(RandomMaskTest, ARowIsNamedByItsDrawRowAlone) {
  const at::Tensor rows = at::tensor({7, 0, 7, 1, 9, 0, 9, 1, 9, 2}, at::kLong).view({5, 2});
  const at::Tensor mask = RandomMask(at::empty({5, 40}), 3, 0.5, rows);
  const at::Tensor order = at::tensor({3, 0, 4}, at::kLong);
  EXPECT_TRUE(RandomMask(at::empty({3, 40}), 3, 0.5, rows.index_select(0, order))
                  .equal(mask.index_select(0, order)));
  for (int64_t i = 0; i < 5; ++i) {
    for (int64_t j = 0; j < i; ++j) EXPECT_FALSE(mask[i].equal(mask[j])) << i << " and " << j;
  }
}

// Of 100,000 elements 30,000 are 1, with a standard deviation of 145; also within each of the four
// words.
TEST(RandomMaskTest, HasTheProbability) {
  const at::Tensor mask = RandomMask(at::empty({25000, 4}), TestSeed(), 0.3);
  EXPECT_TRUE(mask.eq(0).logical_or(mask.eq(1)).all().item<bool>());
  EXPECT_NEAR(mask.sum().item<double>(), 30000, 5 * 145);
  for (int64_t word = 0; word < 4; ++word) {
    EXPECT_NEAR(mask.select(1, word).sum().item<double>(), 7500, 5 * 73);
  }
}

TEST(RandomMaskTest, AtTheEndsOfTheRange) {
  EXPECT_TRUE(RandomMask(at::empty({1000}), 1, 0).eq(0).all().item<bool>());
  EXPECT_TRUE(RandomMask(at::empty({1000}), 1, 1).eq(1).all().item<bool>());
  EXPECT_THAT(ErrorMessage([] { RandomMask(at::empty({1}), 1, 1.5); }), HasSubstr("probability"));
}

TEST(RandomMaskTest, ErrorsNameTheDrawRows) {
  for (const at::Tensor& rows : {at::zeros({3, 2}), at::zeros({3}, at::kLong),
                                 at::zeros({3, 3}, at::kLong), at::zeros({2, 2}, at::kLong)}) {
    EXPECT_THAT(ErrorMessage([&] {
                  RandomMask(at::empty({3, 4}), 1, 0.5, rows);
                }),
                HasSubstr("draw_rows"));
  }
}

TEST(RandomMaskTest, AnotherKeyGivesAnotherMask) {
  const at::Tensor like = at::empty({1000}, at::kDouble);
  EXPECT_FALSE(RandomMask(like, 1, 0.5).equal(RandomMask(like, 2, 0.5)));
  EXPECT_EQ(RandomMask(like, 1, 0.5).scalar_type(), at::kFloat);
}

}  // namespace
}  // namespace rcnn::ops
