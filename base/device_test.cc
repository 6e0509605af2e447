#include "rcnn/base/device.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

DeviceProbe Machine(const std::vector<Gpu>& gpus) { return {"2.11.0", true, gpus, "", true}; }

c10::Device Cuda(int index) {
  return c10::Device(c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(index));
}

TEST(ParseDeviceTest, ReadsNames) {
  EXPECT_EQ(ParseDevice("cpu").value(), c10::Device(c10::DeviceType::CPU));
  EXPECT_EQ(ParseDevice("cuda").value(), Cuda(0));
  EXPECT_EQ(ParseDevice("cuda:1").value(), Cuda(1));
  EXPECT_EQ(ParseDevice("cuda:127").value(), Cuda(127));
}

TEST(ParseDeviceTest, RejectsOthers) {
  for (const char* name : {"", "gpu", "CUDA", "cuda:", "cuda:-1", "cuda:128", "cuda:1x", "cpu:0"}) {
    EXPECT_THAT(ParseDevice(name),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("use cpu, cuda or cuda:1")))
        << name;
  }
}

TEST(DeviceNameTest, IsReadBack) {
  for (const char* name : {"cpu", "cuda:0", "cuda:12"}) {
    EXPECT_EQ(DeviceName(ParseDevice(name).value()), name);
  }
}

TEST(CheckDeviceTest, TheCpuNeedsNothing) {
  EXPECT_THAT(CheckDevice(c10::Device(c10::DeviceType::CPU), {}), IsOk());
}

TEST(CheckDeviceTest, AGpuOfTheMachine) {
  const DeviceProbe probe = Machine({{"A100", 8, 0, 0}, {"H200", 9, 0, 0}});
  EXPECT_THAT(CheckDevice(Cuda(0), probe), IsOk());
  EXPECT_THAT(CheckDevice(Cuda(1), probe), IsOk());
}

TEST(CheckDeviceTest, AGpuOfUnknownCapability) {
  EXPECT_THAT(CheckDevice(Cuda(0), Machine({{}})), IsOk());
}

TEST(CheckDeviceTest, LibTorchWithoutCuda) {
  EXPECT_THAT(CheckDevice(Cuda(0), {"1.13.0", false, {}, ""}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("cuda:0: this program was built with LibTorch 1.13.0 "
                                       "without CUDA"),
                             HasSubstr("tools/setup/install_libtorch.sh cuda"),
                             HasSubstr("--config=cuda"))));
}

// Operators would be copied to the CPU and back.
TEST(CheckDeviceTest, BuiltWithoutNvcc) {
  DeviceProbe probe = Machine({{"H200", 9, 0, 0}});
  probe.has_kernels = false;
  EXPECT_THAT(CheckDevice(Cuda(0), probe),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("cuda:0: this program has no kernels for GPUs"),
                             HasSubstr("nvcc was missing"), HasSubstr("--config=cuda"))));
  EXPECT_THAT(CheckDevice(c10::Device(c10::DeviceType::CPU), probe), IsOk());
}

TEST(CheckDeviceTest, NoVisibleGpu) {
  DeviceProbe probe = Machine({});
  EXPECT_THAT(CheckDevice(Cuda(0), probe),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("cuda:0: CUDA sees no GPU; nvidia-smi"),
                             HasSubstr("CUDA_VISIBLE_DEVICES"))));
  probe.problem = "CUDA driver version is insufficient";
  EXPECT_THAT(CheckDevice(Cuda(0), probe),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("sees no GPU (CUDA driver version is insufficient); nvidia-smi")));
}

TEST(CheckDeviceTest, NoSuchIndex) {
  EXPECT_THAT(CheckDevice(Cuda(2), Machine({{"A100", 8, 0, 0}, {}})),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("cuda:2: no such GPU; CUDA sees cuda:0 (A100), cuda:1")));
}

TEST(CheckDeviceTest, TooOld) {
  EXPECT_THAT(CheckDevice(Cuda(0), Machine({{"Tesla V100", 7, 0, 0}})),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("cuda:0 (Tesla V100) has compute capability 7.0; the kernels need "
                                 "8.0 or newer")));
}

}  // namespace
}  // namespace rcnn
