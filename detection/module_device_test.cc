#include "rcnn/detection/module_device.h"

#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

#include <cstdint>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/ops/testing/far_device.h"
#include "rcnn/ops/testing/queue_device.h"

namespace rcnn::detection {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

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

// 2^60 bytes there, and four on the CPU.
TEST(MoveToDeviceTest, NamesTheDeviceThatHasTooLittleMemory) {
  torch::nn::Module module;
  module.register_parameter("weight", at::zeros({1}).expand({int64_t{1} << 58}),
                            /*requires_grad=*/false);
  try {
    MoveToDevice(module, ops::testing::QueueDevice());
    FAIL() << "moved";
  } catch (const c10::Error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("not enough memory on xpu:0 for the weights: "),
                                    HasSubstr("can't allocate memory"), HasSubstr("nvidia-smi")));
    EXPECT_TRUE(IsOutOfMemory(error));
  }
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
