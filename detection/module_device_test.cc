#include "rcnn/detection/module_device.h"

#include <ATen/ops/zeros.h>

#include "gtest/gtest.h"
#include "rcnn/ops/testing/far_device.h"

namespace rcnn::detection {
namespace {

TEST(ModuleDeviceTest, OfAModuleWithoutTensors) {
  const torch::nn::Module module;
  EXPECT_EQ(ModuleDevice(module), c10::Device(c10::DeviceType::CPU));
}

TEST(MoveToDeviceTest, ChangesNothingOnTheCpu) {
  torch::nn::Module module;
  const at::Tensor weight =
      module.register_parameter("weight", at::zeros({4, 3, 3, 3}), /*requires_grad=*/false);
  const void* const data = weight.data_ptr();
  MoveToDevice(module, c10::Device(c10::DeviceType::CPU));
  EXPECT_EQ(weight.data_ptr(), data);
  EXPECT_TRUE(weight.is_contiguous());
}

TEST(ModuleDeviceTest, OfParametersBeforeBuffers) {
  torch::nn::Module module;
  module.register_buffer("values", at::zeros({2}).to(ops::testing::FarDevice()));
  EXPECT_EQ(ModuleDevice(module), ops::testing::FarDevice());
  module.register_parameter("weight", at::zeros({2}), /*requires_grad=*/false);
  EXPECT_EQ(ModuleDevice(module), c10::Device(c10::DeviceType::CPU));
}

}  // namespace
}  // namespace rcnn::detection
