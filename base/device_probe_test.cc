#include "rcnn/base/device_probe.h"

#include <ATen/Context.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn {
namespace {

using ::testing::IsEmpty;
using ::testing::MatchesRegex;

TEST(DeviceProbeTest, NamesTheVersionOfLibTorch) {
  EXPECT_THAT(ProbeDevices().libtorch_version, MatchesRegex("[0-9]+\\.[0-9]+\\..*"));
}

// Where LibTorch has no CUDA, a reader is not called.
TEST(DeviceProbeTest, GpusComeFromTheReaderIfLibTorchHasCuda) {
  ASSERT_TRUE(SetGpuReader([](std::string* problem) {
    *problem = "the driver is asleep";
    return std::vector<Gpu>{{"H200", 9, 0, 141}};
  }));
  const DeviceProbe probe = ProbeDevices();
  SetGpuReader(nullptr);
  EXPECT_TRUE(probe.has_kernels);
  EXPECT_FALSE(ProbeDevices().has_kernels);
  EXPECT_EQ(probe.libtorch_has_cuda, at::Context::hasCUDART());
  if (probe.libtorch_has_cuda) {
    ASSERT_EQ(probe.gpus.size(), 1u);
    EXPECT_EQ(probe.gpus[0].name, "H200");
    EXPECT_EQ(probe.problem, "the driver is asleep");
  } else {
    EXPECT_THAT(probe.gpus, IsEmpty());
    EXPECT_THAT(probe.problem, IsEmpty());
  }
}

}  // namespace
}  // namespace rcnn
