#include "rcnn/base/device_graph.h"

#include "gtest/gtest.h"

namespace rcnn {
namespace {

constexpr auto kCpu = c10::DeviceType::CPU;
constexpr auto kCuda = c10::DeviceType::CUDA;

TEST(DeviceGraphTest, TheLibraryOfADeviceIsTheLastOneThatRegistered) {
  static const DeviceGraphLibrary cpu = {kCpu, nullptr}, cuda = {kCuda, nullptr};
  EXPECT_EQ(FindDeviceGraphLibrary(kCpu), nullptr);
  EXPECT_TRUE(SetDeviceGraphLibrary(&cpu));
  EXPECT_EQ(FindDeviceGraphLibrary(kCpu), &cpu);
  EXPECT_EQ(FindDeviceGraphLibrary(kCuda), nullptr);
  SetDeviceGraphLibrary(&cuda);
  EXPECT_EQ(FindDeviceGraphLibrary(kCpu), nullptr);
  EXPECT_EQ(FindDeviceGraphLibrary(kCuda), &cuda);
  SetDeviceGraphLibrary(nullptr);
  EXPECT_EQ(FindDeviceGraphLibrary(kCuda), nullptr);
}

}  // namespace
}  // namespace rcnn
