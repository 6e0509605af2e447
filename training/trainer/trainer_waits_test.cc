// With forbid_waits, an iteration that waits for the device is an error; what is around it may
// wait.

#include <c10/util/Exception.h>

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/device_waits.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/testing/trainer_run.h"
#include "rcnn/training/trainer/trainer.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;
using detection::weights::StateDict;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::RunSetup;
using testing::Train;

// Of the CPU.
constexpr DeviceWaitLibrary kLibrary = {c10::DeviceType::CPU, [](bool) {},
                                        [] { return DeviceWaitsAreForbidden(); }};
constexpr DeviceWaitLibrary kWithoutEffect = {c10::DeviceType::CPU, [](bool) {},
                                              [] { return false; }};

class TrainerWaitsTest : public ::testing::Test {
 protected:
  TrainerWaitsTest() { SetDeviceWaitLibrary(&kLibrary); }
  ~TrainerWaitsTest() override { SetDeviceWaitLibrary(nullptr); }

  // Joint training that notes for each batch whether waits are forbidden.
  RunSetup MakeSetup() {
    RunSetup setup;
    setup.directory = FreshDirectory();
    setup.forbid_waits = true;
    setup.losses = [this](const std::shared_ptr<FasterRcnn>& model) {
      return LossFunction([this, losses = MakeJointLoss(model)](const data::Batch& batch,
                                                                const at::Generator& generator) {
        in_batches_.push_back(DeviceWaitsAreForbidden());
        return losses(batch, generator);
      });
    };
    return setup;
  }

  std::vector<bool> in_batches_;
};

// Ten iterations of two batches; with lines of the log, validations and checkpoints.
TEST_F(TrainerWaitsTest, TheyAreForbiddenInIterationsFromTheSecondOn) {
  RunSetup setup = MakeSetup();
  std::vector<bool> elsewhere;
  setup.validate = [&](const StateDict& state) {
    elsewhere.push_back(DeviceWaitsAreForbidden());
    return testing::Measure(state);
  };
  setup.may_write = [&] {
    elsewhere.push_back(DeviceWaitsAreForbidden());
    return absl::OkStatus();
  };
  ASSERT_THAT(Train(setup), IsOk());
  std::vector<bool> expected(20, true);
  expected[0] = expected[1] = false;
  EXPECT_EQ(in_batches_, expected);
  EXPECT_THAT(elsewhere, Not(IsEmpty()));
  EXPECT_THAT(elsewhere, Each(false));
  EXPECT_FALSE(DeviceWaitsAreForbidden());
}

TEST_F(TrainerWaitsTest, ByDefaultTheyAreAllowed) {
  RunSetup setup = MakeSetup();
  setup.forbid_waits = false;
  ASSERT_THAT(Train(setup), IsOk());
  EXPECT_THAT(in_batches_, Each(false));
}

// As LibTorch's error at a wait would.
TEST_F(TrainerWaitsTest, AnErrorEndsTrainingAndTheMode) {
  RunSetup setup = MakeSetup();
  setup.losses = [](const std::shared_ptr<FasterRcnn>& model) {
    return LossFunction(
        [losses = MakeJointLoss(model)](const data::Batch& batch, const at::Generator& generator) {
          TORCH_CHECK(!DeviceWaitsAreForbidden(), "called a synchronizing operation");
          return losses(batch, generator);
        });
  };
  EXPECT_THAT(Train(setup), StatusIs(absl::StatusCode::kInternal, HasSubstr("synchronizing")));
  EXPECT_FALSE(DeviceWaitsAreForbidden());
}

TEST_F(TrainerWaitsTest, AModeWithoutEffectIsAnError) {
  SetDeviceWaitLibrary(&kWithoutEffect);
  EXPECT_THAT(Train(MakeSetup()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not errors")));
  EXPECT_THAT(in_batches_, IsEmpty());
}

}  // namespace
}  // namespace rcnn::training
