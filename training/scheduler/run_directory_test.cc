#include "rcnn/training/scheduler/run_directory.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/config/experiment.h"
#include "rcnn/training/scheduler/stage_files.h"
#include "rcnn/training/testing/fresh_directory.h"
#include "rcnn/training/testing/sample_experiment.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kFinalEdit[] = "stages.final.evaluate.max_proposals=5";

std::vector<PlannedStage> Plan(const std::vector<std::string>& overrides = {}) {
  return PlanStages(SampleExperiment(overrides), {});
}

void Put(const std::string& path, const std::string& bytes) {
  ASSERT_THAT(CreateDirectories(fs::path(path).parent_path()), IsOk());
  ASSERT_THAT(WriteFileAtomically(path, bytes), IsOk()) << path;
}

class RunDirectoryTest : public testing::Test {
 protected:
  RunDirectoryTest() : path_(FreshDirectory() + "/run") {}

  RunDirectory Open(const std::vector<std::string>& overrides = {}) {
    auto run = RunDirectory::Open(path_, SampleExperiment(overrides));
    EXPECT_THAT(run, IsOk());
    return *std::move(run);
  }

  absl::Status OpenError(const std::vector<std::string>& overrides = {}) {
    return RunDirectory::Open(path_, SampleExperiment(overrides)).status();
  }

  // Runs a stage that writes one file.
  void RunStage(RunDirectory& run, const PlannedStage& stage, const std::string& result) {
    ASSERT_THAT(run.Begin(stage), IsOk());
    Put(*run.StagePath(stage) + "/result", result);
    const absl::Status finished = run.Finish(stage, {"result"});
    ASSERT_THAT(finished, IsOk());
  }

  StageStatus Status(const RunDirectory& run, const PlannedStage& stage) {
    const auto status = run.ReadStatus(stage);
    EXPECT_THAT(status, IsOk());
    return *status;
  }

  std::string path_;
};

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

TEST_F(RunDirectoryTest, RejectsAnotherExperiment) {
  Open();
  const std::string before = *ReadFile(path_ + "/experiment.textproto");
  const absl::Status status = OpenError({"name=other"});
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("of the experiment \"sample\", but this one is \"other\"")));
  EXPECT_EQ(*ReadFile(path_ + "/experiment.textproto"), before);
  Open({"seed=9"});
}

TEST_F(RunDirectoryTest, RejectsADirectoryOfOtherFiles) {
  Put(path_ + "/thesis.tex", "years of work");
  EXPECT_THAT(OpenError(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("thesis.tex"), HasSubstr("is not a run directory"))));
  EXPECT_FALSE(fs::exists(path_ + "/LOCK"));
}

TEST_F(RunDirectoryTest, RejectsAFileAndADamagedExperiment) {
  Put(path_, "x");
  EXPECT_THAT(OpenError(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is not a directory")));
  fs::remove(path_);
  Put(path_ + "/experiment.textproto", "name: \"sample\" nonsense");
  EXPECT_THAT(OpenError(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("experiment.textproto is damaged")));
  Put(path_ + "/experiment.textproto", "name: \"sample\" of_another_version: { x: 1 }");
  Open();
}

TEST_F(RunDirectoryTest, ADamagedExperimentIsRestoredFromItsSecondCopy) {
  const std::string record = path_ + "/experiment.textproto", copy = path_ + "/copies/";
  {
    RunDirectory run = Open();
    EXPECT_THAT(run.notices(), IsEmpty());
    RunStage(run, Plan()[0], "12345");
  }
  const std::string text = *ReadFile(record), second = *ReadFile(copy + "experiment.textproto");
  for (const std::string& damaged : {std::string("name: \"samplE\""), std::string("nonsense")}) {
    Put(record, damaged);
    EXPECT_THAT(RunDirectory::CheckUsable(path_), IsOk());
    EXPECT_THAT(OpenError({"name=samplE"}),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("\"sample\"")));
    EXPECT_THAT(Open().notices(),
                ElementsAre(AllOf(HasSubstr(record), HasSubstr("an intact copy is " + copy))));
    EXPECT_THAT(ReadFile(record), IsOkAndHolds(text));
  }
  fs::remove(record);
  EXPECT_THAT(RunDirectory::CheckUsable(path_), IsOk());
  EXPECT_THAT(Open().notices(), ElementsAre(HasSubstr("experiment.textproto is missing")));
  EXPECT_THAT(ReadFile(record), IsOkAndHolds(text));
  Put(copy + "experiment.textproto", "nonsense");
  EXPECT_THAT(Open().notices(), ElementsAre(HasSubstr("copies/experiment.textproto is damaged")));
  EXPECT_THAT(ReadFile(copy + "experiment.textproto"), IsOkAndHolds(second));
  // As an earlier version left it.
  fs::remove_all(copy);
  EXPECT_THAT(Open().notices(), IsEmpty());
  EXPECT_THAT(ReadFile(copy + "experiment.textproto"), IsOkAndHolds(second));
  EXPECT_TRUE(Status(Open(), Plan()[0]).done);
}

TEST_F(RunDirectoryTest, WithoutARecordedExperimentTheStagesTellWhoseRunItIs) {
  const std::string record = path_ + "/experiment.textproto", copies = path_ + "/copies";
  {
    RunDirectory run = Open();
    RunStage(run, Plan()[0], "12345");
  }
  const std::string text = *ReadFile(record);
  for (const std::string& damaged :
       {std::string("name: \"samplE\""), std::string("nonsense"), std::string()}) {
    SCOPED_TRACE(damaged);
    fs::remove_all(copies);
    fs::remove(record);
    if (!damaged.empty()) Put(record, damaged);
    EXPECT_THAT(RunDirectory::CheckUsable(path_), IsOk());
    // With other stages nobody can tell.
    const std::vector<std::string> edit = {"model.rpn.channels=64"};
    const absl::Status refused =
        RunDirectory::Open(path_, SampleExperiment(edit), Plan(edit)).status();
    EXPECT_THAT(refused, AnyOf(StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(path_)),
                               StatusIs(absl::StatusCode::kDataLoss, HasSubstr(record))));
    EXPECT_THAT(std::string(refused.message()), ::testing::Not(HasSubstr("delete")));
    EXPECT_FALSE(fs::exists(copies));
    EXPECT_THAT(RunDirectory::OpenReadOnly(path_, SampleExperiment(), Plan()), IsOk());
    EXPECT_FALSE(fs::exists(copies));
    const auto run = RunDirectory::Open(path_, SampleExperiment(), Plan());
    ASSERT_THAT(run, IsOk());
    EXPECT_THAT(run->notices(), ElementsAre(AllOf(HasSubstr("experiment.textproto"),
                                                  HasSubstr("those of this experiment"))));
    EXPECT_TRUE(Status(*run, Plan()[0]).done);
    EXPECT_THAT(ReadFile(record), IsOkAndHolds(text));
    EXPECT_TRUE(fs::exists(copies + "/experiment.textproto"));
  }
}

TEST_F(RunDirectoryTest, AnExperimentThatIsNestedDeeplyIsDamaged) {
  for (const char* const part : {"x {", "x <", "x: [", "s: \"\n\" x {"}) {
    std::string text = "name: \"sample\" ";
    for (int i = 0; i < 200'000; ++i) text += part;
    Put(path_ + "/experiment.textproto", text);
    EXPECT_THAT(OpenError(), StatusIs(absl::StatusCode::kDataLoss,
                                      HasSubstr("experiment.textproto is damaged")));
  }
  // As many messages one after the other are not nested.
  std::string text = "name: \"sample\" ";
  for (int i = 0; i < 1000; ++i) text += "x { y { text: \"{{{\" } }  # {\n";
  Put(path_ + "/experiment.textproto", text);
  Open();
}

TEST_F(RunDirectoryTest, AcceptsAnEmptyOrJustStartedDirectory) {
  fs::create_directories(path_);
  Put(path_ + "/LOCK", "");
  Put(path_ + "/experiment.textproto.tmp-1-0", "");
  Put(path_ + "/plan.textproto", "");
  Put(path_ + "/split.unfinished/train.txt", "");
  EXPECT_THAT(RunDirectory::CheckUsable(path_), IsOk());
  Open();
}

TEST_F(RunDirectoryTest, ReadOnlyOpenCreatesNothing) {
  const auto run = RunDirectory::OpenReadOnly(path_, SampleExperiment());
  ASSERT_THAT(run, IsOk());
  EXPECT_FALSE(Status(*run, Plan()[0]).begun);
  EXPECT_FALSE(fs::exists(path_));
  const RunDirectory holder = Open();
  EXPECT_THAT(RunDirectory::OpenReadOnly(path_, SampleExperiment()), IsOk());
  EXPECT_THAT(RunDirectory::OpenReadOnly(path_, SampleExperiment({"name=x"})),
              ::testing::Not(IsOk()));
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

TEST_F(RunDirectoryTest, AStageThatIsALinkIsRefused) {
  const std::string stage = path_ + "/stages/1_rpn1", foreign = path_ + "_foreign";
  const auto refused =
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(stage + " is a link"));
  {
    RunDirectory run = Open();
    RunStage(run, Plan()[0], "12345");
    Put(stage + "/mine.tmp-1-2", "mine");
    fs::rename(stage, foreign);
    fs::create_directory_symlink(foreign, stage);
    EXPECT_THAT(run.Begin(Plan()[0]), refused);
  }
  EXPECT_THAT(OpenError(), refused);
  EXPECT_THAT(RunDirectory::OpenReadOnly(path_, SampleExperiment()).status(), refused);
  EXPECT_THAT(ReadFile(foreign + "/mine.tmp-1-2"), IsOkAndHolds("mine"));
  EXPECT_TRUE(fs::exists(foreign + "/DONE"));
  // All stages may lie on another disk.
  fs::remove(stage);
  fs::rename(foreign, stage);
  fs::rename(path_ + "/stages", foreign);
  fs::create_directory_symlink(foreign, path_ + "/stages");
  const RunDirectory run = Open();
  EXPECT_TRUE(Status(run, Plan()[0]).done);
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

TEST_F(RunDirectoryTest, AnotherKeyKeepsTheFinishedResultUntilTheNewOneIsDone) {
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
TEST_F(RunDirectoryTest, AnotherKeyKeepsADamagedResultThatHasAnIntactCopy) {
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
TEST_F(RunDirectoryTest, ADamagedResultReplacesNoneThatIsKeptAside) {
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

TEST_F(RunDirectoryTest, UndoneEditRestoresTheOldResult) {
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
TEST_F(RunDirectoryTest, UndoneEditRestoresUnfinishedCheckpoints) {
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

TEST_F(RunDirectoryTest, RestoringAFinishedResultKeepsTheUnfinishedOne) {
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

TEST_F(RunDirectoryTest, KillDuringRestoreLosesNothing) {
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

TEST_F(RunDirectoryTest, AStageKeepsItsResultWhenItsNumberChanges) {
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

TEST_F(RunDirectoryTest, DistinguishesNamesWithEqualEnds) {
  RunDirectory run = Open();
  PlannedStage stage = Plan()[6];
  stage.directory = "stages/1_pre_final";
  stage.name = "pre_final";
  RunStage(run, stage, "x");
  EXPECT_FALSE(Status(run, Plan()[6]).begun);
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

TEST_F(RunDirectoryTest, FinishDeletesTheCheckpoints) {
  RunDirectory run = Open();
  ASSERT_THAT(run.Begin(Plan()[0]), IsOk());
  Put(path_ + "/stages/1_rpn1/checkpoint-40/manifest.json", "");
  Put(path_ + "/stages/1_rpn1/model.safetensors", "x");
  ASSERT_THAT(run.Finish(Plan()[0], {"model.safetensors"}), IsOk());
  EXPECT_FALSE(fs::exists(path_ + "/stages/1_rpn1/checkpoint-40"));
  EXPECT_TRUE(Status(run, Plan()[0]).done);
}

TEST_F(RunDirectoryTest, ArrangeCompletesAKilledFinish) {
  RunDirectory run = Open();
  RunStage(run, Plan()[0], "x");
  Put(path_ + "/stages/1_rpn1/checkpoint-40/manifest.json", "");
  Put(path_ + "/stages/1_rpn1.previous/key.txt", "");
  ASSERT_THAT(run.Arrange(Plan()), IsOk());
  EXPECT_FALSE(fs::exists(path_ + "/stages/1_rpn1/checkpoint-40"));
  EXPECT_FALSE(fs::exists(path_ + "/stages/1_rpn1.previous"));
  EXPECT_TRUE(Status(run, Plan()[0]).done);
}

TEST_F(RunDirectoryTest, NextOpenDeletesRemainsOfAKilledRemoval) {
  { Open(); }
  Put(path_ + "/stages/1_rpn1.removed/x", "");
  Put(path_ + "/other.removed/x", "");
  Open();
  EXPECT_FALSE(fs::exists(path_ + "/stages/1_rpn1.removed"));
  EXPECT_TRUE(fs::exists(path_ + "/other.removed/x"));
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
