#include "rcnn/training/scheduler/verify_run.h"

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/config/experiment.h"
#include "rcnn/training/scheduler/published_results.h"
#include "rcnn/training/scheduler/recorded_experiment.h"
#include "rcnn/training/scheduler/run_lock.h"
#include "rcnn/training/scheduler/stage_files.h"
#include "rcnn/training/scheduler/stage_plan.h"
#include "rcnn/training/testing/sample_experiment.h"
#include "rcnn/training/trainer/checkpoint.h"
#include "rcnn/training/trainer/metrics_log.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class VerifyRunTest : public testing::Test {
 protected:
  VerifyRunTest() : run_(FreshDirectory()) {
    const std::vector<PlannedStage> plan = PlanStages(SampleExperiment(), {});
    EXPECT_THAT(WriteRecordedExperiment(run_, ExperimentText(SampleExperiment())), IsOk());
    for (const PlannedStage& planned : plan) {
      const std::string stage = absl::StrCat(run_, "/", planned.directory);
      fs::create_directories(stage);
      EXPECT_THAT(WriteKeyFile(stage, KeyText(planned)), IsOk());
      if (planned.number == 1 || planned.number == 7) continue;
      Put(planned.directory + "/result", "12345");
      EXPECT_THAT(RecordStageFiles(stage, planned.key, {"result"}), IsOk());
    }
    Put("stages/7_final/metrics.json", "{}");
    Put("stages/7_final/model.safetensors", std::string(5 << 20, 'w'));
    EXPECT_THAT(RecordStageFiles(run_ + "/stages/7_final", plan[6].key,
                                 {"metrics.json", "model.safetensors"}),
                IsOk());
    EXPECT_THAT(PublishResults(run_ + "/stages/7_final", run_), IsOk());
    Checkpoint checkpoint;
    checkpoint.iteration = 12;
    checkpoint.facts[kMetricsFact] = "{\"iteration\":10,\"loss\":0.5}\n";
    Put("stages/1_rpn1/metrics.jsonl", checkpoint.facts[kMetricsFact] + "{\"iteration\":20}\n");
    EXPECT_THAT(CheckpointStore(run_ + "/stages/1_rpn1", plan[0].key).Write(checkpoint), IsOk());
  }

  void Put(const std::string& name, const std::string& bytes) {
    EXPECT_THAT(WriteFileAtomically(run_ + "/" + name, bytes), IsOk());
  }

  void Flip(const std::string& name) {
    std::string bytes = ReadFile(run_ + "/" + name).value();
    bytes[bytes.size() / 2] ^= 2;
    Put(name, bytes);
  }

  std::vector<std::string> Damage() {
    std::vector<std::string> damage;
    const auto run = VerifyRun(run_);
    EXPECT_THAT(run, IsOk());
    if (!run.ok()) return damage;
    for (const VerifiedDirectory& one : run->directories) {
      damage.insert(damage.end(), one.damage.begin(), one.damage.end());
    }
    EXPECT_EQ(run->Damaged(), damage.size());
    return damage;
  }

  const std::string run_;
};

TEST_F(VerifyRunTest, AWholeRunIsSaidToBeWhole) {
  const auto run = VerifyRun(run_);
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(run->Damaged(), 0);
  EXPECT_THAT(run->ToString(), HasSubstr("stages/1_rpn1    unfinished, 1 checkpoint, 3 files"));
  EXPECT_THAT(run->ToString(), HasSubstr("stages/7_final   finished, 2 files compared\n"));
  EXPECT_THAT(run->ToString(), HasSubstr("results, 2 files compared\n"));
}

TEST_F(VerifyRunTest, NamesEveryDamagedFile) {
  for (const char* file :
       {"stages/7_final/model.safetensors", "stages/7_final/metrics.json", "stages/7_final/DONE",
        "stages/7_final/key.txt", "stages/7_final/copies/metrics.json", "stages/1_rpn1/key.txt",
        "stages/1_rpn1/checkpoint-12/model.safetensors",
        "stages/1_rpn1/checkpoint-12/manifest.json", "model.safetensors", "metrics.json"}) {
    Flip(file);
    EXPECT_THAT(Damage(), ElementsAre(HasSubstr(file))) << file;
    Flip(file);
  }
  Flip("stages/7_final/model.safetensors");
  EXPECT_THAT(VerifyRun(run_)->ToString(), HasSubstr("an intact copy is " + run_ + "/model.saf"));
}

// A run that resumes restores no others.
TEST_F(VerifyRunTest, TheMetricsThatACheckpointCoversAreChecked) {
  const std::string path = run_ + "/stages/1_rpn1/metrics.jsonl", lines = ReadFile(path).value();
  std::string damaged = lines;
  damaged[lines.find("0.5")] = '1';
  Put("stages/1_rpn1/metrics.jsonl", damaged);
  EXPECT_THAT(Damage(), ElementsAre(HasSubstr(path + " is damaged; the next run restores")));
  fs::remove(path);
  EXPECT_THAT(Damage(), ElementsAre(HasSubstr(path + " is missing; the next run restores")));
  Put("stages/1_rpn1/metrics.jsonl", lines + "later");
  EXPECT_THAT(Damage(), IsEmpty());
  // No checkpoint covers any: the stage is made again from its beginning.
  Put("stages/1_rpn1/metrics.jsonl", damaged);
  Flip("stages/1_rpn1/checkpoint-12/solver.safetensors");
  EXPECT_THAT(Damage(), ElementsAre(HasSubstr("solver.safetensors is damaged")));
}

TEST_F(VerifyRunTest, AFolderInTheFilesPlaceIsDamage) {
  fs::remove(run_ + "/metrics.json");
  fs::create_directories(run_ + "/metrics.json");
  EXPECT_THAT(Damage(), ElementsAre(HasSubstr(run_ + "/metrics.json is not a regular file")));
}

TEST_F(VerifyRunTest, TheRecordedExperimentIsChecked) {
  for (const char* file : {"experiment.textproto", "copies/experiment.textproto"}) {
    const std::string path = absl::StrCat(run_, "/", file), bytes = ReadFile(path).value();
    Flip(file);
    EXPECT_THAT(Damage(), ElementsAre(HasSubstr(path))) << file;
    fs::remove(path);
    EXPECT_THAT(Damage(), ElementsAre(HasSubstr(path + " is missing"))) << file;
    Put(file, bytes);
    EXPECT_THAT(Damage(), IsEmpty());
  }
  // Of an earlier version.
  fs::remove_all(run_ + "/copies");
  EXPECT_THAT(Damage(), IsEmpty());
  fs::remove(run_ + "/experiment.textproto");
  EXPECT_THAT(Damage(), ElementsAre(HasSubstr("no second copy is intact")));
}

TEST_F(VerifyRunTest, MissingResultsAreDamage) {
  for (const char* file : {"metrics.json", "model.safetensors"}) {
    fs::remove(absl::StrCat(run_, "/", file));
  }
  EXPECT_THAT(Damage(),
              ElementsAre(HasSubstr(run_ + "/metrics.json is missing; the next run copies"),
                          HasSubstr(run_ + "/model.safetensors is missing")));
}

TEST_F(VerifyRunTest, AMissingStageIsDamageUnlessItHasNotRunYet) {
  for (const char* stage : {"stages/1_rpn1", "stages/4_rpn2"}) {
    const std::string path = absl::StrCat(run_, "/", stage);
    fs::rename(path, run_ + "/aside");
    EXPECT_THAT(Damage(), ElementsAre(HasSubstr(path + " is missing; the next run makes")))
        << stage;
    fs::rename(run_ + "/aside", path);
  }
  // Its results are at the top, and match those of no stage.
  fs::remove_all(run_ + "/stages/7_final");
  EXPECT_THAT(Damage(), ::testing::Contains(HasSubstr("stages/7_final is missing")));
  for (const char* file : {"metrics.json", "model.safetensors"}) {
    fs::remove(absl::StrCat(run_, "/", file));
  }
  EXPECT_THAT(Damage(), IsEmpty()) << "it has not run yet";
  fs::remove_all(run_ + "/stages/6_fast2");
  EXPECT_THAT(Damage(), IsEmpty());
}

TEST_F(VerifyRunTest, ALostKeyAndLostCopiesAreDamage) {
  const std::string stage = run_ + "/stages/7_final";
  fs::remove(stage + "/copies/metrics.json");
  EXPECT_THAT(Damage(), ElementsAre(HasSubstr(stage + "/copies/metrics.json is missing")));
  fs::remove_all(stage + "/copies");
  EXPECT_THAT(Damage(), ElementsAre(HasSubstr(stage + "/copies is missing")));
  fs::remove(stage + "/key.txt");
  EXPECT_THAT(Damage(), ::testing::Contains(HasSubstr("an intact copy is " + stage + "/DONE")));
  // Of an unfinished stage nothing else has the key.
  fs::remove_all(run_ + "/stages/1_rpn1/copies");
  fs::remove(run_ + "/stages/1_rpn1/key.txt");
  EXPECT_THAT(Damage(), ::testing::Contains(HasSubstr(run_ + "/stages/1_rpn1 holds files")));
}

TEST_F(VerifyRunTest, WhatIsInThePlaceOfAStageIsDamage) {
  const std::string stage = run_ + "/stages/4_rpn2";
  fs::rename(stage, run_ + "/aside");
  Put("stages/4_rpn2", "a file");
  EXPECT_THAT(Damage(), ElementsAre(HasSubstr(stage + " is not a folder")));
  fs::remove(stage);
  fs::create_directory_symlink(run_ + "/aside", stage);
  EXPECT_THAT(Damage(), ElementsAre(HasSubstr(stage + " is a link")));
  fs::remove(stage);
  fs::rename(run_ + "/aside", stage);
  fs::remove(run_ + "/metrics.json");
  fs::create_symlink(run_ + "/metrics.json", run_ + "/metrics.json");
  EXPECT_THAT(Damage(), ElementsAre(HasSubstr("metrics.json is a link that leads nowhere")));
}

// Its DONE is written last, between two looks.
TEST_F(VerifyRunTest, AStageThatEndsMeanwhileIsNotDamage) {
  const auto lock = RunLock::Take(run_);
  ASSERT_THAT(lock, IsOk());
  const std::string done = run_ + "/stages/4_rpn2/DONE", bytes = ReadFile(done).value();
  fs::remove(done);
  int pauses = 0;
  const auto run = VerifyRun(run_, {.pause = [&] {
                               ++pauses;
                               Put("stages/4_rpn2/DONE", bytes);
                             }});
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(run->Damaged(), 0);
  EXPECT_EQ(pauses, 1);
  EXPECT_THAT(run->scheduler, HasSubstr("process"));
}

// Each look finds something else.
TEST_F(VerifyRunTest, StagesThatEndOneAfterTheOtherAreNotDamage) {
  const auto lock = RunLock::Take(run_);
  ASSERT_THAT(lock, IsOk());
  const std::vector<std::string> stages = {"stages/4_rpn2", "stages/6_fast2", "stages/7_final"};
  std::vector<std::string> records;
  for (const std::string& stage : stages) {
    records.push_back(ReadFile(run_ + "/" + stage + "/DONE").value());
  }
  size_t ending = 0;
  fs::remove(run_ + "/" + stages[0] + "/DONE");
  const auto run = VerifyRun(run_, {.pause = [&] {
                               Put(stages[ending] + "/DONE", records[ending]);
                               ++ending;
                               fs::remove(run_ + "/" + stages[ending] + "/DONE");
                             }});
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(run->Damaged(), 0) << run->ToString();
}

TEST_F(VerifyRunTest, DamageThatStaysIsFoundWhileASchedulerWorks) {
  const auto lock = RunLock::Take(run_);
  ASSERT_THAT(lock, IsOk());
  Flip("stages/4_rpn2/result");
  Flip("stages/1_rpn1/checkpoint-12/model.safetensors");
  int pauses = 0;
  const auto run = VerifyRun(run_, {.pause = [&] { ++pauses; }});
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(run->Damaged(), 2);
  EXPECT_THAT(run->ToString(), HasSubstr("4_rpn2/result is damaged"));
  EXPECT_EQ(pauses, 2);
}

// It copies the results after its last stage.
TEST_F(VerifyRunTest, AWorkingSchedulerMakesStagesAndResults) {
  Put("metrics.json", "{\"of\": \"the run before\"}");
  fs::remove(run_ + "/model.safetensors");
  fs::rename(run_ + "/stages/4_rpn2", run_ + "/aside");
  {
    const auto lock = RunLock::Take(run_);
    ASSERT_THAT(lock, IsOk());
    const auto run = VerifyRun(run_, {.pause = [] { ADD_FAILURE() << "nothing is damaged"; }});
    ASSERT_THAT(run, IsOk());
    EXPECT_EQ(run->Damaged(), 0) << run->ToString();
    EXPECT_THAT(run->ToString(), HasSubstr("results, left out while a scheduler works"));
  }
  EXPECT_THAT(Damage(),
              ElementsAre(HasSubstr("4_rpn2 is missing"), HasSubstr("metrics.json does not match"),
                          HasSubstr("model.safetensors is missing")));
}

TEST_F(VerifyRunTest, WhenTheSchedulerHasEndedNothingIsLeftOut) {
  absl::StatusOr<RunLock> taken = RunLock::Take(run_);
  ASSERT_THAT(taken, IsOk());
  std::optional<RunLock> lock = *std::move(taken);
  Flip("stages/4_rpn2/result");
  fs::remove(run_ + "/metrics.json");
  const auto run = VerifyRun(run_, {.pause = [&] { lock.reset(); }});
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(run->scheduler, "");
  EXPECT_EQ(run->Damaged(), 2);
  EXPECT_THAT(run->ToString(), HasSubstr("metrics.json is missing"));
}

// As those of a plan.
TEST_F(VerifyRunTest, OtherChecksCountAndTheirNoticesAreNotDamage) {
  VerifiedDirectory plan;
  plan.name = "plan";
  plan.state = "plan";
  plan.files = 2;
  plan.notices = {"plan.textproto was edited"};
  VerifyOptions options;
  options.also.push_back([&](const std::string& path) {
    EXPECT_THAT(path, StartsWith(run_));
    return std::vector<VerifiedDirectory>{plan};
  });
  auto run = VerifyRun(run_, options);
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(run->Damaged(), 0);
  EXPECT_THAT(run->ToString(), HasSubstr("plan, 2 files compared:\n  plan.textproto was edited\n"));
  // As a run that was only planned.
  run = VerifyRun(run_ + "/stages", options);
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(run->Damaged(), 0) << run->ToString();
  plan.damage = {"split/val.txt is damaged", "split/test.txt is missing"};
  run = VerifyRun(run_, options);
  ASSERT_THAT(run, IsOk());
  EXPECT_EQ(run->Damaged(), 2);
  EXPECT_THAT(run->ToString(), HasSubstr("  split/test.txt is missing\n  plan.textproto was"));
  plan.files = 0;
  EXPECT_THAT(VerifyRun(run_ + "/stages", options),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("not a run directory")));
  options.also.push_back([](const std::string&) { return absl::UnavailableError("a bad disk"); });
  EXPECT_THAT(VerifyRun(run_, options),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("a bad disk")));
}

TEST_F(VerifyRunTest, ChangesNothing) {
  Flip("stages/7_final/metrics.json");
  const std::string damaged = ReadFile(run_ + "/stages/7_final/metrics.json").value();
  Damage();
  EXPECT_THAT(ReadFile(run_ + "/stages/7_final/metrics.json"), IsOkAndHolds(damaged));
  EXPECT_FALSE(fs::exists(run_ + "/LOCK"));
}

TEST_F(VerifyRunTest, RefusesAnotherFolder) {
  EXPECT_THAT(VerifyRun(run_ + "/stages"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("not a run directory")));
}

}  // namespace
}  // namespace rcnn::training
