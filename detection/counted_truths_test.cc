#include "rcnn/detection/counted_truths.h"

#include <ATen/ATen.h>

#include <limits>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/ops/error_message.h"
#include "rcnn/ops/testing/far_device.h"

namespace rcnn::detection {
namespace {

using ::testing::HasSubstr;

// 3, 0 and 1 objects.
GroundTruths Truths() {
  const at::Tensor boxes = at::tensor({1.f, 2.f, 30.f, 40.f}).repeat({3, 1});
  return {
      {boxes, at::tensor({3, 1, 2}, at::kLong), at::tensor({0, 1, 0}, at::kLong).to(at::kBool), 7},
      {at::empty({0, 4}), at::empty({0}, at::kLong), {}, 8},
      {boxes.slice(0, 0, 1), at::tensor({2}, at::kLong), {}, 9}};
}

InputSizes Sizes() { return {{60, 80, 1.5f}, {50, 70, 1}, {40, 30, 2}}; }

TEST(CountTruthsTest, HasTheObjectsOfEachImageFirst) {
  const CountedTruths counted = CountTruths(Truths(), Sizes(), at::kCPU);
  EXPECT_TRUE(counted.counts.equal(at::tensor({3, 0, 1}, at::kLong)));
  EXPECT_TRUE(counted.image_ids.equal(at::tensor({7, 8, 9}, at::kLong)));
  EXPECT_TRUE(counted.image_info[0].equal(at::tensor({60.f, 80.f, 1.5f})));
  ASSERT_EQ(counted.boxes.sizes(), at::IntArrayRef({3, 4, 4}));
  EXPECT_TRUE(counted.boxes[0].slice(0, 0, 3).equal(Truths()[0].boxes));
  EXPECT_TRUE(counted.boxes[2].slice(0, 1).eq(0).all().item<bool>());
  EXPECT_TRUE(counted.labels.equal(
      at::tensor({3, 1, 2, 0, 0, 0, 0, 0, 2, 0, 0, 0}, at::kLong).view({3, 4})));
  EXPECT_EQ(counted.is_crowd.sum().item<int64_t>(), 1);
  EXPECT_TRUE(counted.is_crowd[0][1].item<bool>());
}

// A matcher reads a row of the ground truth even where there is none.
TEST(CountTruthsTest, HasARowForABatchWithoutObjects) {
  const CountedTruths counted = CountTruths({Truths()[1]}, {Sizes()[1]}, at::kCPU);
  EXPECT_EQ(counted.boxes.sizes(), at::IntArrayRef({1, 1, 4}));
  EXPECT_EQ(counted.counts.item<int64_t>(), 0);
}

TEST(CountTruthsTest, MovesToTheDevice) {
  const CountedTruths near = CountTruths(Truths(), Sizes(), at::kCPU);
  const CountedTruths far = CountTruths(Truths(), Sizes(), ops::testing::FarDevice());
  for (const auto& [moved, kept] :
       {std::pair(far.boxes, near.boxes), std::pair(far.labels, near.labels),
        std::pair(far.is_crowd, near.is_crowd), std::pair(far.counts, near.counts),
        std::pair(far.image_ids, near.image_ids), std::pair(far.image_info, near.image_info)}) {
    EXPECT_EQ(moved.device(), ops::testing::FarDevice());
    EXPECT_TRUE(moved.cpu().equal(kept));
  }
}

TEST(CountTruthsTest, ChecksBoxesBeforeTheyLeaveTheCpu) {
  GroundTruths truths = Truths();
  truths[2].boxes = at::full({1, 4}, std::numeric_limits<float>::quiet_NaN());
  EXPECT_THAT(ops::ErrorMessage([&] { CountTruths(truths, Sizes(), ops::testing::FarDevice()); }),
              HasSubstr("ground truth"));
  EXPECT_THAT(ops::ErrorMessage([&] { CountTruths(Truths(), {Sizes()[0]}, at::kCPU); }),
              HasSubstr("ground truth of 3 images, but 1 size"));
}

}  // namespace
}  // namespace rcnn::detection
