#include "rcnn/training/stages/stage_device.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/testing/sample_experiment.h"

namespace rcnn::training {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// A machine with two GPUs.
DeviceProbe TwoGpus() {
  return {"2.11.0", true, {{"NVIDIA H200", 9, 0, 0}, {"NVIDIA H200", 9, 0, 0}}, ""};
}

absl::StatusOr<c10::Device> Chosen(const std::vector<std::string>& overrides,
                                   const DeviceProbe& probe) {
  return ChooseDevice(SampleExperiment(overrides), probe);
}

TEST(ChooseDeviceTest, IsThatOfTheResources) {
  EXPECT_EQ(Chosen({}, {}).value(), c10::Device(c10::DeviceType::CPU));
  EXPECT_EQ(Chosen({"resources.device=CUDA"}, TwoGpus()).value(),
            c10::Device(c10::DeviceType::CUDA, 0));
  EXPECT_EQ(Chosen({"resources.device=CUDA", "resources.device_index=1"}, TwoGpus()).value(),
            c10::Device(c10::DeviceType::CUDA, 1));
}

TEST(ChooseDeviceTest, NamesTheFieldIfThereIsNoSuchDevice) {
  EXPECT_THAT(Chosen({"resources.device=CUDA"}, {"1.13.0", false, {}, ""}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("resources.device: cuda:0: "), HasSubstr("without CUDA"))));
  EXPECT_THAT(Chosen({"resources.device=CUDA", "resources.device_index=2"}, TwoGpus()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no such GPU")));
}

TEST(ChooseDeviceTest, TheCpuTrainsInFloat32) {
  const std::string field = "stages.fast2.train_fast_rcnn.training.precision=";
  EXPECT_THAT(Chosen({field + "FLOAT32"}, {}), IsOk());
  for (const std::string precision : {"TF32", "BFLOAT16", "FLOAT16"}) {
    EXPECT_THAT(Chosen({field + precision}, {}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("stage fast2: training.precision: " + precision),
                               HasSubstr("resources.device: CUDA"))));
    EXPECT_THAT(Chosen({field + precision, "resources.device=CUDA"}, TwoGpus()), IsOk());
  }
}

TEST(CheckRanksDeviceTest, SeveralProcessesNeedTheCpu) {
  const c10::Device cuda(c10::DeviceType::CUDA, 1);
  EXPECT_THAT(CheckRanksDevice(c10::Device(c10::DeviceType::CPU), 4), IsOk());
  EXPECT_THAT(CheckRanksDevice(cuda, 1), IsOk());
  EXPECT_THAT(CheckRanksDevice(cuda, 4),
              StatusIs(absl::StatusCode::kUnimplemented,
                       AllOf(HasSubstr("4 processes"), HasSubstr("one process on cuda:1"))));
}

}  // namespace
}  // namespace rcnn::training
