#include "rcnn/ops/finish_map.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace rcnn::ops {
namespace {

void DoNothing(const at::Tensor&, const at::Tensor&, const at::Tensor&, bool) {}

constexpr MapFinisher kOnCpu = {c10::DeviceType::CPU, &DoNothing};

class FinishMapTest : public ::testing::Test {
 protected:
  FinishMapTest() { SetMapFinisher(&kOnCpu); }
  ~FinishMapTest() override { SetMapFinisher(nullptr); }
};

at::Tensor ChannelsLast(at::IntArrayRef sizes, at::ScalarType type = at::kFloat) {
  return at::zeros(sizes, type).contiguous(at::MemoryFormat::ChannelsLast);
}

TEST_F(FinishMapTest, IsFoundForItsDevice) {
  EXPECT_EQ(FindMapFinisher(c10::DeviceType::CPU), &kOnCpu);
  EXPECT_EQ(FindMapFinisher(c10::DeviceType::CUDA), nullptr);
  SetMapFinisher(nullptr);
  EXPECT_EQ(FindMapFinisher(c10::DeviceType::CPU), nullptr);
  EXPECT_FALSE(CanFinishMap(ChannelsLast({2, 3, 4, 5}), {}));
}

TEST_F(FinishMapTest, MapsAreChannelsLastWithoutGaps) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    EXPECT_TRUE(CanFinishMap(ChannelsLast({2, 3, 4, 5}, type), {}));
  }
  EXPECT_FALSE(CanFinishMap(ChannelsLast({2, 3, 4, 5}, at::kInt), {}));
  EXPECT_FALSE(CanFinishMap(at::zeros({2, 3, 4, 5}), {}));
  EXPECT_FALSE(CanFinishMap(ChannelsLast({2, 3, 4, 5}).narrow(3, 0, 4), {}));
  EXPECT_FALSE(CanFinishMap(at::zeros({2, 3}), {}));
}

TEST_F(FinishMapTest, WhatIsAddedIsLikeTheMap) {
  const at::Tensor map = ChannelsLast({2, 3, 4, 5});
  EXPECT_TRUE(CanFinishMap(map, ChannelsLast({2, 3, 4, 5})));
  EXPECT_FALSE(CanFinishMap(map, ChannelsLast({1, 3, 4, 5})));
  EXPECT_FALSE(CanFinishMap(map, ChannelsLast({2, 3, 4, 5}, at::kDouble)));
  EXPECT_FALSE(CanFinishMap(map, at::zeros({2, 3, 4, 5})));
}

}  // namespace
}  // namespace rcnn::ops
