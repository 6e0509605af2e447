#include "rcnn/detection/device_copy.h"

#include <ATen/ATen.h>

#include "gtest/gtest.h"
#include "rcnn/ops/testing/far_device.h"

namespace rcnn::detection {
namespace {

using ops::testing::FarDevice;

TEST(CopyToDeviceTest, HasTheValues) {
  const at::Tensor host = at::arange(6, at::kFloat).view({2, 3});
  const at::Tensor far = CopyToDevice(host, FarDevice());
  EXPECT_EQ(far.device(), FarDevice());
  EXPECT_TRUE(far.cpu().equal(host));
}

TEST(CopyToDeviceTest, CopiesNothingThatIsAlreadyThere) {
  const at::Tensor host = at::ones({2});
  EXPECT_TRUE(CopyToDevice(host, at::kCPU).is_same(host));
  const at::Tensor far = CopyToDevice(host, FarDevice());
  EXPECT_TRUE(CopyToDevice(far, FarDevice()).is_same(far));
}

}  // namespace
}  // namespace rcnn::detection
