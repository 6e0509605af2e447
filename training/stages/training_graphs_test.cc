#include "rcnn/training/stages/training_graphs.h"

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/fake_graphs.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/module_parts.h"
#include "rcnn/detection/roi_branch.h"
#include "rcnn/training/testing/run_ranks.h"
#include "rcnn/training/testing/tiny_run.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;
using rcnn::testing::FakeGraphs;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class IdleBranch : public detection::RoiBranch {
 public:
  detection::Losses ComputeLosses(const detection::BatchFeatures&, const detection::RoiSamples&,
                                  const detection::GroundTruths&, at::Generator) const override {
    return {};
  }
  void Detect(const detection::BatchFeatures&, int64_t, const at::Tensor&,
              detection::Detections&) const override {}
};

const bool kRegistered = detection::RegisterRoiBranch(
    "idle",
    [](const detection::RoiBranchInput&) -> absl::StatusOr<std::shared_ptr<detection::RoiBranch>> {
      return std::make_shared<IdleBranch>();
    });

std::shared_ptr<FasterRcnn> Model(const std::string& text) {
  auto model = FasterRcnn::Create(configs::ParseTextOrDie<configs::ModelConfig>(text), 2).value();
  model->train();
  return model;
}

constexpr char kTiny[] =
    "backbone { tiny { channels: 8 } } rpn {} head { fc { fc_channels: [16] } }";
constexpr char kBatchNorm[] =
    "backbone { resnet { depth: RESNET_18 norm { batch_norm {} } } } rpn {}";

ExperimentRun GraphRun(int graphs) {
  ExperimentRun run;
  run.config.mutable_resources()->set_training_graphs(graphs);
  return run;
}

TEST(MakeTrainingNetworkTest, IsThereIfGraphsAreAskedForAndConvolutionsAreTrained) {
  const FakeGraphs graphs;
  EXPECT_EQ(MakeTrainingNetwork(GraphRun(0), Model(kTiny)).value(), nullptr);
  EXPECT_NE(MakeTrainingNetwork(GraphRun(4), Model(kTiny)).value(), nullptr);
  const auto frozen = Model(kTiny);
  detection::Freeze(*frozen->backbone());
  EXPECT_EQ(MakeTrainingNetwork(GraphRun(4), frozen).value(), nullptr);
}

TEST(MakeTrainingNetworkTest, NamesTheFieldIfTheDeviceHasNoGraphs) {
  EXPECT_THAT(MakeTrainingNetwork(GraphRun(4), Model(kTiny)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("resources.training_graphs: is 4, but this program has no graphs "
                                 "of the CPU")));
}

TEST(MakeTrainingNetworkTest, NamesTheFieldOfABatchNormThatIsTrained) {
  EXPECT_THAT(
      MakeTrainingNetwork(GraphRun(4), Model(kBatchNorm)),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("resources.training_graphs: not for batch norms that are trained"),
                     HasSubstr("backbone."), HasSubstr("model.backbone.resnet.norm"))));
  EXPECT_THAT(MakeTrainingNetwork(GraphRun(0), Model(kBatchNorm)), IsOk());
}

TEST(MakeTrainingNetworkTest, NamesABranch) {
  ASSERT_TRUE(kRegistered);
  EXPECT_THAT(
      MakeTrainingNetwork(GraphRun(4), Model(absl::StrCat(kTiny, " branch { name: 'idle' }"))),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("resources.training_graphs: not for a model with branches, such "
                         "as model.branch idle; set it to 0")));
}

TEST(MakeTrainingNetworkTest, IsNotForSeveralProcesses) {
  const auto statuses = RunRanks(2, [&](const std::shared_ptr<RankGroup>& ranks) {
    ExperimentRun run = GraphRun(4);
    run.ranks = ranks;
    return MakeTrainingNetwork(run, Model(kTiny)).status();
  });
  EXPECT_THAT(statuses,
              Each(StatusIs(absl::StatusCode::kInvalidArgument,
                            HasSubstr("resources.training_graphs: not for 2 processes"))));
}

// The only difference is a field that is in no stage's key.
ExperimentRun OpenJoint(int graphs) {
  return OpenTinyRun(
      TinyExperiment({"stages=[{ name: 'joint' train_joint { training { solver { adamw {} "
                      "learning_rate: 0.01 iterations: 4 } batching { images_per_batch: 2 } } } }]",
                      absl::StrCat("resources.training_graphs=", graphs)}),
      FreshDirectory(absl::StrCat(graphs)));
}

TEST(TrainingGraphsTest, AStageHasTheSameWeights) {
  const FakeGraphs graphs;
  const ExperimentRun without = OpenJoint(0), with = OpenJoint(2);
  ASSERT_THAT(RunStages(without), IsOk());
  EXPECT_EQ(graphs.recorded(), 0);
  ASSERT_THAT(RunStages(with), IsOk());
  EXPECT_EQ(graphs.recorded(), 1);
  EXPECT_EQ(graphs.replayed(), 2 * 3);
  EXPECT_THAT(Differences(Weights(without, "joint"), Weights(with, "joint")), IsEmpty());
}

TEST(TrainingGraphsTest, StepsThreeAndFourHaveNone) {
  const FakeGraphs graphs;
  const ExperimentRun run =
      OpenTinyRun(TinyExperiment({"resources.training_graphs=2"}), FreshDirectory());
  ASSERT_THAT(RunStages(run), IsOk());
  EXPECT_EQ(graphs.recorded(), 2) << "those of steps 1 and 2";
}

}  // namespace
}  // namespace rcnn::training
