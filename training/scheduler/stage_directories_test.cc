// Tests through RunDirectory, which decides what is done with the directories of a stage.

#include "rcnn/training/scheduler/stage_directories.h"

#include <filesystem>
#include <string>

#include "absl/types/optional.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/scheduler/run_directory.h"
#include "rcnn/training/scheduler/run_directory_fixture.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;

class StageDirectoriesTest : public RunDirectoryFixture {};

TEST_F(StageDirectoriesTest, AStageThatHasNotBegunIsLocatedWhereThePlanWantsIt) {
  Open();
  const PlannedStage stage = Plan()[0];
  EXPECT_THAT(LocateStage(path_, stage), IsOkAndHolds(path_ + "/stages/1_rpn1"));
  EXPECT_THAT(HasStageKey(path_ + "/stages/1_rpn1", stage.key), IsOkAndHolds(false));
}

TEST_F(StageDirectoriesTest, AnotherKeyKeepsTheFinishedResultUntilTheNewOneIsDone) {
  RunDirectory run = Open();
  const PlannedStage before = Plan()[6], after = Plan({kFinalEdit})[6];
  RunStage(run, before, "old");
  EXPECT_TRUE(Status(run, after).done) << "of the old key";
  EXPECT_NE(Status(run, after).recorded.key, after.key);
  ASSERT_THAT(run.Begin(after), IsOk());
  EXPECT_EQ(*ReadFile(path_ + "/stages/7_final.previous/result"), "old");
  EXPECT_FALSE(fs::exists(path_ + "/stages/7_final/result"));
  Put(*run.StagePath(after) + "/result", "new");
  ASSERT_THAT(run.Finish(after, {"result"}), IsOk());
  EXPECT_FALSE(fs::exists(path_ + "/stages/7_final.previous"));
  EXPECT_EQ(*ReadFile(path_ + "/stages/7_final/result"), "new");
}

// The copy at the top of the run is the only one of weights, and the new result replaces it.
TEST_F(StageDirectoriesTest, AnotherKeyKeepsADamagedResultThatHasAnIntactCopy) {
  RunDirectory run = Open();
  const PlannedStage before = Plan()[6], after = Plan({kFinalEdit})[6];
  const std::string weights(5 << 20, 'w'), kept = path_ + "/stages/7_final.previous";
  for (const bool has_record : {true, false}) {
    RunStage(run, before, weights);
    Put(path_ + "/result", weights);
    Put(path_ + "/stages/7_final/result", "damaged");
    if (!has_record) fs::remove(path_ + "/stages/7_final/DONE");
    ASSERT_THAT(run.Begin(after), IsOk());
    Put(path_ + "/result", "new");
    EXPECT_THAT(run.StagePath(before), IsOkAndHolds(kept)) << has_record;
    EXPECT_TRUE(Status(run, before).done) << has_record;
    EXPECT_TRUE(fs::exists(kept + "/DONE")) << has_record;
    const auto restored = ReadFile(kept + "/result");
    EXPECT_TRUE(restored.ok() && *restored == weights) << has_record;
  }
}

// Finish was killed before it had deleted what was kept aside, and then a file was damaged.
TEST_F(StageDirectoriesTest, ADamagedResultReplacesNoneThatIsKeptAside) {
  RunDirectory run = Open();
  const PlannedStage oldest = Plan()[6], damaged = Plan({kFinalEdit})[6];
  const PlannedStage newest = Plan({"stages.final.evaluate.max_proposals=6"})[6];
  const std::string kept = path_ + "/stages/7_final.previous", saved = path_ + "/saved";
  RunStage(run, oldest, "old");
  ASSERT_THAT(run.Begin(damaged), IsOk());
  fs::copy(kept, saved, fs::copy_options::recursive);
  Put(path_ + "/stages/7_final/result", std::string(5 << 20, 'w'));
  ASSERT_THAT(run.Finish(damaged, {"result"}), IsOk());
  fs::rename(saved, kept);
  Put(path_ + "/stages/7_final/result", "damaged");
  ASSERT_THAT(run.Begin(newest), IsOk());
  EXPECT_THAT(run.StagePath(oldest), IsOkAndHolds(kept));
  EXPECT_TRUE(Status(run, oldest).done);
  EXPECT_THAT(ReadFile(kept + "/result"), IsOkAndHolds("old"));
}

TEST_F(StageDirectoriesTest, UndoneEditRestoresTheOldResult) {
  RunDirectory run = Open();
  const PlannedStage before = Plan()[6];
  RunStage(run, before, "old");
  for (const char* edit : {kFinalEdit, "stages.final.evaluate.max_proposals=6"}) {
    const PlannedStage after = Plan({edit})[6];
    ASSERT_THAT(run.Begin(after), IsOk());
    Put(*run.StagePath(after) + "/half", "x");
  }
  EXPECT_TRUE(Status(run, before).done);
  EXPECT_THAT(run.StagePath(before), IsOkAndHolds(path_ + "/stages/7_final.previous"));
  ASSERT_THAT(run.Arrange(Plan()), IsOk());
  EXPECT_THAT(run.StagePath(before), IsOkAndHolds(path_ + "/stages/7_final"));
  EXPECT_EQ(*ReadFile(path_ + "/stages/7_final/result"), "old");
  EXPECT_FALSE(fs::exists(path_ + "/stages/7_final/half"));
}

// A mistyped --set, days into a stage.
TEST_F(StageDirectoriesTest, UndoneEditRestoresUnfinishedCheckpoints) {
  RunDirectory run = Open();
  const PlannedStage before = Plan()[6], after = Plan({kFinalEdit})[6];
  const auto checkpoint = [&](const PlannedStage& stage, const std::string& name) {
    Put(*run.StagePath(stage) + "/" + name + "/manifest.json", "");
  };
  ASSERT_THAT(run.Begin(before), IsOk());
  checkpoint(before, "checkpoint-40");
  ASSERT_THAT(run.Begin(after), IsOk());
  EXPECT_EQ(Status(run, after).checkpoint, absl::nullopt);
  checkpoint(after, "checkpoint-3");
  EXPECT_EQ(Status(run, before).checkpoint, 40);
  // Undoes the edit, and repeats it.
  ASSERT_THAT(run.Begin(before), IsOk());
  EXPECT_THAT(run.StagePath(before), IsOkAndHolds(path_ + "/stages/7_final"));
  EXPECT_EQ(Status(run, before).checkpoint, 40);
  ASSERT_THAT(run.Begin(after), IsOk());
  EXPECT_EQ(Status(run, after).checkpoint, 3);
  Put(*run.StagePath(after) + "/result", "x");
  ASSERT_THAT(run.Finish(after, {"result"}), IsOk());
  for (const auto& entry : fs::directory_iterator(path_ + "/stages")) {
    EXPECT_EQ(entry.path().filename(), "7_final");
  }
}

TEST_F(StageDirectoriesTest, RestoringAFinishedResultKeepsTheUnfinishedOne) {
  RunDirectory run = Open();
  const PlannedStage before = Plan()[6], after = Plan({kFinalEdit})[6];
  RunStage(run, before, "old");
  ASSERT_THAT(run.Begin(after), IsOk());
  Put(*run.StagePath(after) + "/checkpoint-3/manifest.json", "");
  ASSERT_THAT(run.Arrange(Plan()), IsOk());
  EXPECT_TRUE(Status(run, before).done);
  ASSERT_THAT(run.Arrange(Plan({kFinalEdit})), IsOk());
  EXPECT_EQ(Status(run, after).checkpoint, 3);
}

TEST_F(StageDirectoriesTest, KillDuringRestoreLosesNothing) {
  RunDirectory run = Open();
  const PlannedStage before = Plan()[6], after = Plan({kFinalEdit})[6];
  ASSERT_THAT(run.Begin(before), IsOk());
  Put(*run.StagePath(before) + "/checkpoint-40/manifest.json", "");
  ASSERT_THAT(run.Begin(after), IsOk());
  fs::rename(path_ + "/stages/7_final.unfinished", path_ + "/stages/7_final.back");
  ASSERT_THAT(run.Begin(before), IsOk());
  EXPECT_EQ(Status(run, before).checkpoint, 40);
  EXPECT_FALSE(fs::exists(path_ + "/stages/7_final.back"));
}

TEST_F(StageDirectoriesTest, AStageKeepsItsResultWhenItsNumberChanges) {
  RunDirectory run = Open();
  PlannedStage stage = Plan()[6];
  RunStage(run, stage, "x");
  stage.directory = "stages/9_final";
  EXPECT_TRUE(Status(run, stage).done);
  ASSERT_THAT(run.Arrange({stage}), IsOk());
  EXPECT_TRUE(fs::exists(path_ + "/stages/9_final/result"));
  EXPECT_FALSE(fs::exists(path_ + "/stages/7_final"));
  EXPECT_TRUE(Status(run, stage).done);
}

TEST_F(StageDirectoriesTest, DistinguishesNamesWithEqualEnds) {
  RunDirectory run = Open();
  PlannedStage stage = Plan()[6];
  stage.directory = "stages/1_pre_final";
  stage.name = "pre_final";
  RunStage(run, stage, "x");
  EXPECT_FALSE(Status(run, Plan()[6]).begun);
}

TEST_F(StageDirectoriesTest, FinishDeletesTheCheckpoints) {
  RunDirectory run = Open();
  ASSERT_THAT(run.Begin(Plan()[0]), IsOk());
  Put(path_ + "/stages/1_rpn1/checkpoint-40/manifest.json", "");
  Put(path_ + "/stages/1_rpn1/model.safetensors", "x");
  ASSERT_THAT(run.Finish(Plan()[0], {"model.safetensors"}), IsOk());
  EXPECT_FALSE(fs::exists(path_ + "/stages/1_rpn1/checkpoint-40"));
  EXPECT_TRUE(Status(run, Plan()[0]).done);
}

TEST_F(StageDirectoriesTest, ArrangeCompletesAKilledFinish) {
  RunDirectory run = Open();
  RunStage(run, Plan()[0], "x");
  Put(path_ + "/stages/1_rpn1/checkpoint-40/manifest.json", "");
  Put(path_ + "/stages/1_rpn1.previous/key.txt", "");
  ASSERT_THAT(run.Arrange(Plan()), IsOk());
  EXPECT_FALSE(fs::exists(path_ + "/stages/1_rpn1/checkpoint-40"));
  EXPECT_FALSE(fs::exists(path_ + "/stages/1_rpn1.previous"));
  EXPECT_TRUE(Status(run, Plan()[0]).done);
}

TEST_F(StageDirectoriesTest, NextOpenDeletesRemainsOfAKilledRemoval) {
  { Open(); }
  Put(path_ + "/stages/1_rpn1.removed/x", "");
  Put(path_ + "/other.removed/x", "");
  Open();
  EXPECT_FALSE(fs::exists(path_ + "/stages/1_rpn1.removed"));
  EXPECT_TRUE(fs::exists(path_ + "/other.removed/x"));
}

}  // namespace
}  // namespace rcnn::training
