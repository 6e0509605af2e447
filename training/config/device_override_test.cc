#include "rcnn/training/config/device_override.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::training {
namespace {

using ::testing::HasSubstr;

TEST(SetDeviceTest, SetsWhatFindDeviceReads) {
  configs::ExperimentConfig config;
  EXPECT_EQ(FindDevice(config.resources()), c10::Device(c10::DeviceType::CPU));
  ASSERT_THAT(SetDevice("cuda:3", &config), IsOk());
  EXPECT_EQ(FindDevice(config.resources()), c10::Device(c10::DeviceType::CUDA, 3));
  ASSERT_THAT(SetDevice("cuda", &config), IsOk());
  EXPECT_EQ(FindDevice(config.resources()), c10::Device(c10::DeviceType::CUDA, 0));
  ASSERT_THAT(SetDevice("cpu", &config), IsOk());
  EXPECT_EQ(FindDevice(config.resources()), c10::Device(c10::DeviceType::CPU));
}

TEST(SetDeviceTest, NoNameChangesNothing) {
  configs::ExperimentConfig config;
  ASSERT_THAT(SetDevice("", &config), IsOk());
  EXPECT_FALSE(config.has_resources());
}

TEST(SetDeviceTest, RejectsOthers) {
  configs::ExperimentConfig config;
  EXPECT_THAT(SetDevice("gpu0", &config),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"gpu0\" is not a device")));
}

}  // namespace
}  // namespace rcnn::training
