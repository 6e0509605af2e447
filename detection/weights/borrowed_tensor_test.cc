#include "rcnn/detection/weights/borrowed_tensor.h"

#include <ATen/ops/empty.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rcnn::detection::weights {
namespace {

using ::testing::ElementsAre;

TEST(BorrowedTensorTest, ViewsMemoryWithStridesAndKeepsItsOwner) {
  auto owner = std::make_shared<std::vector<float>>(std::vector<float>{0, 1, 2, 3, 4, 5});
  const std::weak_ptr<std::vector<float>> watch = owner;
  at::Tensor row;
  {
    const at::Tensor tensor = BorrowedTensor(owner->data(), {3, 2}, {1, 3}, at::kFloat, owner);
    owner.reset();
    EXPECT_EQ(tensor[2][1].item<float>(), 5.0f);
    EXPECT_EQ(tensor[1][0].item<float>(), 1.0f);
    row = tensor[2];
  }
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ(row[0].item<float>(), 2.0f);
  row.reset();
  EXPECT_TRUE(watch.expired());
}

TEST(BorrowedTensorTest, EmptyNeedsNoMemory) {
  const at::Tensor tensor = BorrowedTensor(nullptr, {0, 4}, {4, 1}, at::kHalf, nullptr);
  EXPECT_EQ(tensor.numel(), 0);
  EXPECT_EQ(tensor.scalar_type(), at::kHalf);
  EXPECT_THAT(tensor.sizes().vec(), ElementsAre(0, 4));
}

TEST(ContiguousStridesTest, AreLibTorchs) {
  const std::vector<std::vector<int64_t>> shapes = {{}, {5}, {2, 3, 4}, {2, 0, 4}, {1, 1}};
  for (const auto& shape : shapes) {
    EXPECT_EQ(ContiguousStrides(shape), at::empty(shape).strides().vec());
  }
}

// With --config=ubsan an overflow ends the test.
TEST(ContiguousStridesTest, SizesOfAnEmptyTensorMayBeHuge) {
  const int64_t huge = int64_t{1} << 62;
  EXPECT_EQ(ContiguousStrides({0, huge, huge, 2})[2], 2);
}

TEST(IsAlignedTest, DependsOnTheTypesSize) {
  alignas(8) const char bytes[16] = {};
  EXPECT_TRUE(IsAligned(bytes, at::kDouble));
  EXPECT_FALSE(IsAligned(bytes + 4, at::kDouble));
  EXPECT_TRUE(IsAligned(bytes + 4, at::kFloat));
  EXPECT_FALSE(IsAligned(bytes + 1, at::kHalf));
  EXPECT_TRUE(IsAligned(bytes + 1, at::kBool));
}

}  // namespace
}  // namespace rcnn::detection::weights
