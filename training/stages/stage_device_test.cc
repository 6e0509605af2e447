#include "rcnn/training/stages/stage_device.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/instruction_level.h"
#include "rcnn/base/testing/fake_graphs.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/testing/sample_experiment.h"

namespace rcnn::training {
namespace {

using rcnn::testing::FakeGraphs;
using ::testing::AllOf;
using ::testing::HasSubstr;

// A machine with two GPUs.
DeviceProbe TwoGpus() {
  return {"2.11.0", true, {{"NVIDIA H200", 9, 0, 0}, {"NVIDIA H200", 9, 0, 0}}, "", true};
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

// Nothing may train in this run.
TEST(ChooseDeviceTest, ADeviceWithoutThePrecisionWillDo) {
  EXPECT_THAT(Chosen({"stages.fast2.train_fast_rcnn.training.precision=FLOAT16"}, {}), IsOk());
}

constexpr c10::DeviceType kCuda = c10::DeviceType::CUDA;

// Of a stage with this precision.
absl::Status CheckedPrecision(const std::string& precision, const c10::Device& device) {
  const configs::ExperimentConfig config =
      SampleExperiment({"stages.fast2.train_fast_rcnn.training.precision=" + precision});
  for (const configs::StageConfig& stage : config.stages()) {
    if (stage.name() == "fast2") return CheckTrainingPrecision(stage, device);
  }
  return absl::NotFoundError("fast2");
}

// Also where only the level is lowered: LibTorch 1.13 would throw at kAvx2 (autocast_scope.h).
TEST(CheckTrainingPrecisionTest, ACpuWithoutBfloat16TrainsInFloat32) {
  const c10::Device cpu(c10::DeviceType::CPU);
  for (const InstructionLevel lower :
       {InstructionLevel::kPortable, InstructionLevel::kAvx2, InstructionLevel::kAvx512}) {
    if (lower > SupportedInstructionLevel()) break;
    const ScopedInstructionLevel level(lower);
    EXPECT_THAT(CheckedPrecision("FLOAT32", cpu), IsOk());
    for (const std::string precision : {"TF32", "BFLOAT16", "FLOAT16"}) {
      EXPECT_THAT(CheckedPrecision(precision, cpu),
                  StatusIs(absl::StatusCode::kInvalidArgument,
                           AllOf(HasSubstr("stage fast2: training.precision: " + precision),
                                 HasSubstr("resources.device: CUDA"))));
      EXPECT_THAT(CheckedPrecision(precision, {kCuda, 0}), IsOk());
    }
  }
}

TEST(CheckTrainingPrecisionTest, ACpuWithBfloat16TrainsInItToo) {
  RCNN_SKIP_WITHOUT(InstructionLevel::kAvx512Bf16);
  const ScopedInstructionLevel level(InstructionLevel::kAvx512Bf16);
  const c10::Device cpu(c10::DeviceType::CPU);
  EXPECT_THAT(CheckedPrecision("BFLOAT16", cpu), IsOk());
  for (const std::string precision : {"TF32", "FLOAT16"}) {
    EXPECT_THAT(CheckedPrecision(precision, cpu),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("AVX512-BF16")));
  }
}

// Nothing may train in this run.
TEST(ChooseDeviceTest, ADeviceWithoutGraphsWillDo) {
  EXPECT_THAT(Chosen({"resources.training_graphs=4"}, {}), IsOk());
}

TEST(CheckTrainingGraphsTest, NamesTheFieldIfTheDeviceHasNone) {
  const c10::Device cpu(c10::DeviceType::CPU);
  configs::ResourcesConfig resources;
  EXPECT_THAT(CheckTrainingGraphs(resources, cpu), IsOk());
  resources.set_training_graphs(4);
  EXPECT_THAT(CheckTrainingGraphs(resources, cpu),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("resources.training_graphs: is 4, but this program has no "
                                       "graphs of the CPU"),
                             HasSubstr("resources.device: CUDA"))));
  EXPECT_THAT(CheckTrainingGraphs(resources, {kCuda, 0}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no graphs of CUDA")));
  const FakeGraphs graphs;
  EXPECT_THAT(CheckTrainingGraphs(resources, cpu), IsOk());
}

TEST(DeviceOfRankTest, IsTheGpuOfItsNumberOnTheMachine) {
  const c10::Device cpu(c10::DeviceType::CPU);
  EXPECT_THAT(DeviceOfRank(cpu, 5, {}), IsOkAndHolds(cpu));
  EXPECT_THAT(DeviceOfRank({kCuda, 0}, 0, TwoGpus()), IsOkAndHolds(c10::Device(kCuda, 0)));
  EXPECT_THAT(DeviceOfRank({kCuda, 0}, 1, TwoGpus()), IsOkAndHolds(c10::Device(kCuda, 1)));
}

// Each task of Slurm may see its own GPU alone.
TEST(DeviceOfRankTest, IsTheOnlyGpuThatTheRankSees) {
  const DeviceProbe one = {"2.11.0", true, {{"NVIDIA H200", 9, 0, 0}}, "", true};
  EXPECT_THAT(DeviceOfRank({kCuda, 0}, 3, one), IsOkAndHolds(c10::Device(kCuda, 0)));
}

TEST(DeviceOfRankTest, SaysWhatIsWrong) {
  EXPECT_THAT(
      DeviceOfRank({kCuda, 1}, 0, TwoGpus()),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("resources.device_index: 1"), HasSubstr("CUDA_VISIBLE_DEVICES"))));
  EXPECT_THAT(DeviceOfRank({kCuda, 0}, 2, TwoGpus()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("number of this process on its machine is 2"),
                             HasSubstr("CUDA sees 2 GPUs"))));
  const DeviceProbe old = {
      "2.11.0", true, {{"NVIDIA H200", 9, 0, 0}, {"Tesla T4", 7, 5, 0}}, "", true};
  EXPECT_THAT(DeviceOfRank({kCuda, 0}, 1, old),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("resources.device: cuda:1"), HasSubstr("7.5"))));
}

}  // namespace
}  // namespace rcnn::training
