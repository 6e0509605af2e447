#include "rcnn/training/scheduler/scheduled_stages.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/scheduler/run_directory.h"
#include "rcnn/training/scheduler/run_directory_fixture.h"
#include "rcnn/training/scheduler/stage_plan.h"
#include "rcnn/training/stages/experiment_run.h"
#include "rcnn/training/testing/sample_experiment.h"

namespace rcnn::training {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<ScheduledStage> Undecided(const std::vector<PlannedStage>& plan) {
  std::vector<ScheduledStage> stages;
  for (const PlannedStage& planned : plan) stages.push_back({planned});
  return stages;
}

class ScheduledStagesTest : public RunDirectoryFixture {
 protected:
  ScheduledStagesTest() { run_.config = SampleExperiment(); }

  StageNotice Notice() {
    return [this](const std::string& stage, const std::string& notice) {
      notices_.push_back(absl::StrCat(stage, ": ", notice));
    };
  }

  // Leaves the notices in notices_.
  std::vector<ScheduledStage> Decided(const RunDirectory& directory,
                                      const std::vector<PlannedStage>& plan) {
    notices_.clear();
    std::vector<ScheduledStage> stages = Undecided(plan);
    EXPECT_THAT(DecideStages(directory, Notice(), stages, run_), IsOk());
    return stages;
  }

  ExperimentRun run_;
  std::vector<std::string> notices_;
};

TEST_F(ScheduledStagesTest, AreDecidedFromKeyAndDirectory) {
  RunDirectory directory = Open();
  RunStage(directory, Plan()[0], "x");
  ASSERT_THAT(directory.Begin(Plan()[1]), IsOk());
  const std::vector<ScheduledStage> stages = Decided(directory, Plan());
  EXPECT_EQ(stages[0].decision.action, StageDecision::kSkip);
  EXPECT_EQ(stages[1].decision.action, StageDecision::kResume);
  EXPECT_EQ(stages[2].decision.action, StageDecision::kRun);
  EXPECT_EQ(run_.directories.at("rpn1"), path_ + "/stages/1_rpn1");
  EXPECT_EQ(run_.keys.at("rpn1"), Plan()[0].key);
  EXPECT_THAT(notices_, IsEmpty());
}

TEST_F(ScheduledStagesTest, NothingIsToBeDoneOnceAllAreDone) {
  RunDirectory directory = Open();
  for (const PlannedStage& stage : Plan()) {
    EXPECT_TRUE(AnythingToDo(Decided(directory, Plan()))) << stage.name;
    RunStage(directory, stage, "x");
  }
  EXPECT_FALSE(AnythingToDo(Decided(directory, Plan())));
  EXPECT_TRUE(AnythingToDo(Decided(directory, Plan({kFinalEdit}))));
}

TEST_F(ScheduledStagesTest, TheFirstWithAResultOfOtherDataIsNamed) {
  const auto plan = [](const std::string& fingerprint) {
    PlanInputs inputs;
    inputs.fingerprints[configs::TRAIN] = fingerprint;
    return PlanStages(SampleExperiment(), inputs);
  };
  RunDirectory directory = Open();
  RunStage(directory, plan("cells")[0], "x");
  EXPECT_EQ(StageOfOtherData(Decided(directory, plan("cells"))), "");
  EXPECT_EQ(StageOfOtherData(Decided(directory, plan("leaves"))), "rpn1");
  // An unfinished result of other data may be replaced.
  ASSERT_THAT(directory.Begin(plan("cells")[0]), IsOk());
  EXPECT_EQ(StageOfOtherData(Decided(directory, plan("leaves"))), "");
}

TEST_F(ScheduledStagesTest, AFinishedOneIsRepairedFromAnIntactCopy) {
  RunDirectory directory = Open();
  const std::string result = path_ + "/stages/1_rpn1/result";
  RunStage(directory, Plan()[0], "12345");
  Put(result, "damaged");
  const std::vector<ScheduledStage> damaged = Decided(directory, Plan());
  EXPECT_EQ(damaged[0].decision.action, StageDecision::kSkip);
  EXPECT_TRUE(damaged[0].needs_repair);
  EXPECT_THAT(notices_, ElementsAre(AllOf(HasSubstr("rpn1: "), HasSubstr("1_rpn1/result"))));
  EXPECT_THAT(ReadFile(result), IsOkAndHolds("damaged")) << "before the repair";
  ASSERT_THAT(RepairStages(run_.config, damaged, Notice(), directory), IsOk());
  EXPECT_THAT(ReadFile(result), IsOkAndHolds("12345"));
  EXPECT_FALSE(Decided(directory, Plan())[0].needs_repair);
  EXPECT_THAT(notices_, IsEmpty());
}

TEST_F(ScheduledStagesTest, DamageOfAnInputIsFoundBeforeItIsRead) {
  RunDirectory directory = Open();
  RunStage(directory, Plan()[0], "12345");
  const std::vector<ScheduledStage> stages = Decided(directory, Plan());
  ASSERT_THAT(Plan()[1].reads, ElementsAre("rpn1"));
  EXPECT_THAT(CheckStageInputs(directory, stages, Plan()[1]), IsOk());
  Put(path_ + "/stages/1_rpn1/result", "damaged");
  EXPECT_THAT(CheckStageInputs(directory, stages, Plan()[1]),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("rpn1, which this stage reads, has since been damaged"),
                             HasSubstr("1_rpn1/result"))));
  EXPECT_THAT(CheckStageInputs(directory, stages, Plan()[0]), IsOk()) << "it reads none";
}

// On the CPU, which has no graphs.
TEST_F(ScheduledStagesTest, GraphsOfTrainingAreRefusedOnlyWhereAStageTrains) {
  run_.config.mutable_resources()->set_training_graphs(4);
  std::vector<ScheduledStage> stages = Undecided(Plan());
  EXPECT_THAT(CheckTrainingStages(stages, run_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("resources.training_graphs")));
  EXPECT_EQ(run_.config.resources().training_graphs(), 4);
  for (ScheduledStage& stage : stages) stage.decision.action = StageDecision::kSkip;
  stages[1].decision.action = StageDecision::kRun;  // props1
  EXPECT_THAT(CheckTrainingStages(stages, run_), IsOk());
  EXPECT_EQ(run_.config.resources().training_graphs(), 0);
}

TEST_F(ScheduledStagesTest, TheLastEvaluationIsPublished) {
  EXPECT_EQ(FindPublishedStage(run_.config), 6u);
  *run_.config.add_stages() = run_.config.stages(6);
  EXPECT_EQ(FindPublishedStage(run_.config), 7u);
  while (run_.config.stages_size() > 6) run_.config.mutable_stages()->RemoveLast();
  EXPECT_EQ(FindPublishedStage(run_.config), 6u) << "the number of stages, of which none evaluates";
}

}  // namespace
}  // namespace rcnn::training
