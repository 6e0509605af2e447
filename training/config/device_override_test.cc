#include "rcnn/training/config/device_override.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::training {
namespace {

using ::testing::HasSubstr;

TEST(SetDeviceTest, SetsWhatFindDeviceReads) {
  configs::ResourcesConfig resources;
  EXPECT_EQ(FindDevice(resources), c10::Device(c10::DeviceType::CPU));
  ASSERT_THAT(SetDevice("cuda:3", &resources), IsOk());
  EXPECT_EQ(FindDevice(resources), c10::Device(c10::DeviceType::CUDA, 3));
  ASSERT_THAT(SetDevice("cuda", &resources), IsOk());
  EXPECT_EQ(FindDevice(resources), c10::Device(c10::DeviceType::CUDA, 0));
  ASSERT_THAT(SetDevice("cpu", &resources), IsOk());
  EXPECT_EQ(FindDevice(resources), c10::Device(c10::DeviceType::CPU));
}

TEST(SetDeviceTest, NoNameChangesNothing) {
  configs::ResourcesConfig resources;
  resources.set_device(configs::ResourcesConfig::CUDA);
  ASSERT_THAT(SetDevice("", &resources), IsOk());
  EXPECT_EQ(resources.device(), configs::ResourcesConfig::CUDA);
  EXPECT_FALSE(resources.has_device_index());
}

TEST(SetDeviceTest, RejectsOthers) {
  configs::ResourcesConfig resources;
  EXPECT_THAT(SetDevice("gpu0", &resources),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"gpu0\" is not a device")));
}

}  // namespace
}  // namespace rcnn::training
