#include "rcnn/training/scheduler/run_directory.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/config/experiment.h"
#include "rcnn/training/scheduler/run_directory_fixture.h"
#include "rcnn/training/scheduler/stage_files.h"
#include "rcnn/training/testing/sample_experiment.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class RunDirectoryTest : public RunDirectoryFixture {};

TEST_F(RunDirectoryTest, CreatesTheDirectoryAndWritesTheExperiment) {
  const RunDirectory run = Open();
  EXPECT_EQ(*ReadFile(path_ + "/experiment.textproto"), ExperimentText(SampleExperiment()));
  EXPECT_THAT(*ReadFile(path_ + "/LOCK"), HasSubstr(absl::StrCat("process ", getpid(), " on ")));
}

TEST_F(RunDirectoryTest, OnlyOneProcessMayOpenIt) {
  {
    const RunDirectory run = Open();
    const absl::Status status = OpenError();
    EXPECT_THAT(status,
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         AllOf(HasSubstr(path_), HasSubstr(absl::StrCat("process ", getpid())),
                               HasSubstr("--run_dir"))));
  }
  Open();
}

TEST_F(RunDirectoryTest, AKilledHolderLeavesNoLock) {
  const pid_t child = fork();
  if (child == 0) {
    const auto run = RunDirectory::Open(path_, SampleExperiment());
    kill(getpid(), SIGKILL);
    _exit(run.ok() ? 0 : 1);
  }
  waitpid(child, nullptr, 0);
  Open();
}

TEST_F(RunDirectoryTest, ReadOnlyOpenCreatesNothing) {
  const auto run = RunDirectory::OpenReadOnly(path_, SampleExperiment());
  ASSERT_THAT(run, IsOk());
  EXPECT_FALSE(Status(*run, Plan()[0]).begun);
  EXPECT_FALSE(fs::exists(path_));
  const RunDirectory holder = Open();
  EXPECT_THAT(RunDirectory::OpenReadOnly(path_, SampleExperiment()), IsOk());
  EXPECT_THAT(RunDirectory::OpenReadOnly(path_, SampleExperiment({"name=x"})), Not(IsOk()));
}

TEST_F(RunDirectoryTest, StageStartsAndFinishes) {
  RunDirectory run = Open();
  const PlannedStage stage = Plan()[0];
  EXPECT_FALSE(Status(run, stage).begun);
  ASSERT_THAT(run.Begin(stage), IsOk());
  EXPECT_TRUE(Status(run, stage).begun);
  EXPECT_FALSE(Status(run, stage).done);
  EXPECT_EQ(Status(run, stage).recorded.key, stage.key);
  EXPECT_EQ(Status(run, stage).recorded.parts, stage.parts);
  Put(*run.StagePath(stage) + "/result", "x");
  ASSERT_THAT(run.Finish(stage, {"result"}), IsOk());
  EXPECT_TRUE(Status(run, stage).done);
  EXPECT_THAT(run.StagePath(stage), IsOkAndHolds(path_ + "/stages/1_rpn1"));
}

TEST_F(RunDirectoryTest, MissingOutputFailsFinish) {
  RunDirectory run = Open();
  ASSERT_THAT(run.Begin(Plan()[0]), IsOk());
  EXPECT_THAT(run.Finish(Plan()[0], {"none"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("/none")));
  EXPECT_FALSE(Status(run, Plan()[0]).done);
}

// Weights are too large for a second copy.
TEST_F(RunDirectoryTest, WhatIsDamagedForGoodIsNotDone) {
  RunDirectory run = Open();
  const PlannedStage stage = Plan()[0];
  std::string weights(5 << 20, 'w');
  RunStage(run, stage, weights);
  const std::string result = *run.StagePath(stage) + "/result";
  weights[1234567] ^= 1;
  Put(result, weights);
  EXPECT_FALSE(Status(run, stage).done);
  EXPECT_THAT(Status(run, stage).problem, HasSubstr("checksum differs"));
  Put(result, "123");
  EXPECT_FALSE(Status(run, stage).done);
  EXPECT_THAT(Status(run, stage).problem, HasSubstr("has 3 bytes instead of 5242880"));
  fs::remove(result);
  EXPECT_THAT(Status(run, stage).problem, HasSubstr("result is missing"));
  EXPECT_FALSE(Status(run, stage).needs_repair);
  EXPECT_THAT(run.Repair(stage), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("is missing")));
}

TEST_F(RunDirectoryTest, WhatHasAWholeCopyIsDoneAndMended) {
  RunDirectory run = Open();
  const PlannedStage stage = Plan()[0];
  RunStage(run, stage, "12345");
  const std::string folder = *run.StagePath(stage);
  for (const char* file : {"result", "DONE", "key.txt"}) {
    const std::string path = absl::StrCat(folder, "/", file);
    std::string bytes = *ReadFile(path);
    bytes[3] ^= 4;
    Put(path, bytes);
    EXPECT_TRUE(Status(run, stage).done) << file;
    EXPECT_TRUE(Status(run, stage).needs_repair) << file;
    EXPECT_THAT(Status(run, stage).notices, ElementsAre(HasSubstr("an intact copy is"))) << file;
    ASSERT_THAT(run.Repair(stage), IsOk());
    EXPECT_FALSE(Status(run, stage).needs_repair) << file;
    bytes[3] ^= 4;
    EXPECT_THAT(ReadFile(path), IsOkAndHolds(bytes));
  }
}

TEST_F(RunDirectoryTest, ALostRecordIsRestored) {
  RunDirectory run = Open();
  const PlannedStage stage = Plan()[0];
  RunStage(run, stage, "12345");
  const std::string folder = *run.StagePath(stage), record = *ReadFile(folder + "/DONE");
  fs::remove(folder + "/DONE");
  EXPECT_TRUE(Status(run, stage).done);
  EXPECT_TRUE(Status(run, stage).needs_repair);
  ASSERT_THAT(run.Repair(stage), IsOk());
  EXPECT_THAT(ReadFile(folder + "/DONE"), IsOkAndHolds(record));
  // A stage that runs again has no record.
  ASSERT_THAT(run.Begin(stage), IsOk());
  EXPECT_FALSE(Status(run, stage).done);
  EXPECT_FALSE(fs::exists(folder + "/copies/record.json"));
}

TEST_F(RunDirectoryTest, AnUnreadableRecordIsNotDone) {
  RunDirectory run = Open();
  RunStage(run, Plan()[0], "12345");
  Put(*run.StagePath(Plan()[0]) + "/DONE", "{");
  fs::remove_all(*run.StagePath(Plan()[0]) + "/copies");
  EXPECT_THAT(Status(run, Plan()[0]).problem, HasSubstr("DONE is damaged"));
  EXPECT_FALSE(Status(run, Plan()[0]).done);
}

// No user can read a link to itself, not even root.
TEST_F(RunDirectoryTest, WhatCannotBeReadNowIsNeitherRedoneNorDeleted) {
  RunDirectory run = Open();
  const PlannedStage before = Plan()[6], after = Plan({kFinalEdit})[6];
  RunStage(run, before, "12345");
  for (const char* file : {"result", "DONE", "key.txt"}) {
    const std::string path = absl::StrCat(path_, "/stages/7_final/", file);
    fs::rename(path, path_ + "/aside");
    fs::create_symlink(path, path);
    const auto unavailable = StatusIs(absl::StatusCode::kUnavailable, HasSubstr(path));
    EXPECT_THAT(run.ReadStatus(before), unavailable);
    if (std::string(file) == "key.txt") {
      EXPECT_THAT(run.Arrange(Plan()), unavailable);
      EXPECT_THAT(run.Begin(after), unavailable);
    }
    fs::remove(path);
    fs::rename(path_ + "/aside", path);
    EXPECT_TRUE(Status(run, before).done) << file;
    EXPECT_FALSE(Status(run, before).needs_repair) << file;
  }
}

TEST_F(RunDirectoryTest, NothingIsDeletedThroughALinkInThePlaceOfTheCopies) {
  RunDirectory run = Open();
  const PlannedStage stage = Plan()[0];
  const std::string copies = path_ + "/stages/1_rpn1/copies", foreign = path_ + "_foreign";
  const auto link = [&] {
    fs::remove_all(copies);
    fs::create_directory_symlink(foreign, copies);
  };
  for (const char* file : {"/mine.tmp-1-2", "/record.json", "/key.txt", "/result"}) {
    Put(foreign + file, "mine");
  }
  RunStage(run, stage, "12345");
  link();
  ASSERT_THAT(run.Repair(stage), IsOk());
  EXPECT_FALSE(fs::is_symlink(copies));
  EXPECT_TRUE(fs::exists(copies + "/result"));
  link();
  RunStage(run, stage, "12345");
  EXPECT_FALSE(fs::is_symlink(copies));
  for (const char* file : {"/mine.tmp-1-2", "/record.json", "/key.txt", "/result"}) {
    EXPECT_THAT(ReadFile(foreign + file), IsOkAndHolds("mine"));
  }
}

TEST_F(RunDirectoryTest, ADeletedLockLetsNobodyIn) {
  RunDirectory run = Open();
  fs::remove(path_ + "/LOCK");
  EXPECT_THAT(OpenError(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                    HasSubstr("another scheduler is running")));
  RunStage(run, Plan()[0], "x");
  EXPECT_TRUE(fs::exists(path_ + "/LOCK"));
}

TEST_F(RunDirectoryTest, DamagedKeyMeansNotStarted) {
  RunDirectory run = Open();
  RunStage(run, Plan()[0], "x");
  Put(path_ + "/stages/1_rpn1/key.txt", "key: 00\n");
  EXPECT_TRUE(Status(run, Plan()[0]).done) << "its copy is whole";
  Put(path_ + "/stages/1_rpn1/copies/key.txt", "key: 00\n");
  EXPECT_TRUE(Status(run, Plan()[0]).done) << "DONE has the key";
  ASSERT_THAT(RemoveStageRecord(path_ + "/stages/1_rpn1"), IsOk());
  EXPECT_FALSE(Status(run, Plan()[0]).begun);
  EXPECT_THAT(Status(run, Plan()[0]).problem, HasSubstr("key.txt"));
  RunStage(run, Plan()[0], "y");
  EXPECT_TRUE(Status(run, Plan()[0]).done);
}

TEST_F(RunDirectoryTest, ALostKeyOfAFinishedStageIsRestored) {
  RunDirectory run = Open();
  const PlannedStage stage = Plan()[0];
  RunStage(run, stage, "12345");
  const std::string key = path_ + "/stages/1_rpn1/key.txt", text = *ReadFile(key);
  fs::remove(key);
  fs::remove(path_ + "/stages/1_rpn1/copies/key.txt");
  EXPECT_TRUE(Status(run, stage).done);
  EXPECT_THAT(Status(run, stage).notices,
              ElementsAre(AllOf(HasSubstr("key.txt is missing"), HasSubstr("1_rpn1/DONE"))));
  ASSERT_THAT(run.Repair(stage), IsOk());
  EXPECT_THAT(ReadFile(key), IsOkAndHolds(text));
  EXPECT_THAT(ReadFile(path_ + "/stages/1_rpn1/copies/key.txt"), IsOkAndHolds(text));
  EXPECT_FALSE(Status(run, stage).needs_repair);
  // A result of another key is set aside, as ever.
  fs::remove(path_ + "/stages/1_rpn1/key.txt");
  fs::remove(path_ + "/stages/1_rpn1/copies/key.txt");
  const PlannedStage after = Plan({"seed=9"})[0];
  ASSERT_NE(after.key, stage.key);
  ASSERT_THAT(run.Begin(after), IsOk());
  EXPECT_THAT(run.StagePath(stage), IsOkAndHolds(path_ + "/stages/1_rpn1.previous"));
}

TEST_F(RunDirectoryTest, SameKeyResumes) {
  RunDirectory run = Open();
  ASSERT_THAT(run.Begin(Plan()[0]), IsOk());
  Put(path_ + "/stages/1_rpn1/checkpoint-40/manifest.json", "");
  EXPECT_EQ(Status(run, Plan()[0]).checkpoint, 40);
  ASSERT_THAT(run.Begin(Plan()[0]), IsOk());
  EXPECT_TRUE(fs::exists(path_ + "/stages/1_rpn1/checkpoint-40/manifest.json"));
}

TEST_F(RunDirectoryTest, RestartingADoneStageMakesItUnfinished) {
  RunDirectory run = Open();
  RunStage(run, Plan()[0], "x");
  ASSERT_THAT(run.Begin(Plan()[0]), IsOk());
  EXPECT_FALSE(Status(run, Plan()[0]).done);
  EXPECT_TRUE(Status(run, Plan()[0]).begun);
}

TEST_F(RunDirectoryTest, FilesThatNoStageWroteStay) {
  RunDirectory run = Open();
  const std::string mine = path_ + "/stages/1_rpn1/notes.txt";
  Put(mine, "mine");
  const absl::Status status = run.Begin(Plan()[0]);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               HasSubstr("stages/1_rpn1 holds files")));
  EXPECT_EQ(*ReadFile(mine), "mine");
}

TEST_F(RunDirectoryTest, WhatIsInThePlaceOfAStageIsSetAside) {
  RunDirectory run = Open();
  const std::string stage = path_ + "/stages/1_rpn1";
  Put(stage, "mine");
  EXPECT_FALSE(Status(run, Plan()[0]).begun);
  RunStage(run, Plan()[0], "x");
  EXPECT_TRUE(Status(run, Plan()[0]).done);
  EXPECT_THAT(ReadFile(stage + ".before"), IsOkAndHolds("mine"));
  // The stage comes back from elsewhere.
  fs::rename(stage, path_ + "/stages/3_rpn1");
  Put(stage, "mine too");
  ASSERT_THAT(run.Arrange(Plan()), IsOk());
  EXPECT_TRUE(fs::exists(stage + "/DONE"));
  EXPECT_THAT(ReadFile(stage + ".before-2"), IsOkAndHolds("mine too"));
}

TEST_F(RunDirectoryTest, WhatIsInThePlaceOfAStagesFilesMakesWay) {
  RunDirectory run = Open();
  const std::string stage = path_ + "/stages/1_rpn1/", foreign = path_ + "_foreign";
  ASSERT_THAT(run.Begin(Plan()[0]), IsOk());
  Put(stage + "checkpoint-40/manifest.json", "");
  Put(stage + "best.safetensors/mine", "mine");
  Put(stage + "model.safetensors", "a file");
  Put(foreign, "mine");
  fs::create_symlink(foreign, stage + "metrics.jsonl");
  ASSERT_EQ(mkfifo((stage + "speed.json").c_str(), 0600), 0);
  ASSERT_THAT(run.Begin(Plan()[0]), IsOk());
  EXPECT_EQ(Status(run, Plan()[0]).checkpoint, 40);
  EXPECT_TRUE(fs::exists(stage + "copies/key.txt"));
  EXPECT_THAT(ReadFile(stage + "model.safetensors"), IsOkAndHolds("a file"));
  for (const char* file : {"best.safetensors", "metrics.jsonl", "speed.json"}) {
    EXPECT_FALSE(fs::exists(fs::symlink_status(stage + file))) << file;
  }
  EXPECT_THAT(ReadFile(foreign), IsOkAndHolds("mine"));
  EXPECT_THAT(ReadFile(stage + "best.safetensors.before/mine"), IsOkAndHolds("mine"));
  ASSERT_THAT(run.Begin(Plan()[0]), IsOk());
  EXPECT_THAT(ReadFile(stage + "best.safetensors.before/mine"), IsOkAndHolds("mine"));
}

TEST_F(RunDirectoryTest, KilledBeginDoesNotBlock) {
  RunDirectory run = Open();
  Put(path_ + "/stages/1_rpn1/key.txt.tmp-1-0", "ke");
  EXPECT_THAT(run.Begin(Plan()[0]), IsOk());
}

TEST_F(RunDirectoryTest, DeletesRemainsOfKilledWrites) {
  const std::string stage = path_ + "/stages/1_rpn1";
  {
    RunDirectory run = Open();
    ASSERT_THAT(run.Begin(Plan()[0]), IsOk());
  }
  Put(path_ + "/experiment.textproto.tmp-12-3", "");
  Put(stage + "/model.safetensors.tmp-12-3", "");
  Put(stage + "/notes.tmp-mine", "");
  RunDirectory run = Open();
  ASSERT_THAT(run.Begin(Plan()[0]), IsOk());
  EXPECT_FALSE(fs::exists(path_ + "/experiment.textproto.tmp-12-3"));
  EXPECT_FALSE(fs::exists(stage + "/model.safetensors.tmp-12-3"));
  EXPECT_TRUE(fs::exists(stage + "/notes.tmp-mine"));
}

TEST_F(RunDirectoryTest, NamesAnUncreatableDirectory) {
  path_ = "/proc/nowhere";
  // Which error depends on the rights of the user.
  EXPECT_THAT(OpenError(),
              AnyOf(StatusIs(absl::StatusCode::kNotFound, HasSubstr("/proc/nowhere")),
                    StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("/proc/nowhere"))));
}

}  // namespace
}  // namespace rcnn::training
