#include "rcnn/training/scheduler/verify_run.h"

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/scheduler/published_results.h"
#include "rcnn/training/scheduler/stage_files.h"
#include "rcnn/training/scheduler/stage_plan.h"
#include "rcnn/training/testing/fresh_directory.h"
#include "rcnn/training/testing/sample_experiment.h"
#include "rcnn/training/trainer/checkpoint.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class VerifyRunTest : public testing::Test {
 protected:
  VerifyRunTest() : run_(FreshDirectory()) {
    const std::vector<PlannedStage> plan = PlanStages(SampleExperiment(), {});
    for (const size_t index : {size_t{0}, size_t{6}}) {
      const std::string stage = absl::StrCat(run_, "/", plan[index].directory);
      fs::create_directories(stage);
      EXPECT_THAT(WriteKeyFile(stage, KeyText(plan[index])), IsOk());
    }
    Put("stages/7_final/metrics.json", "{}");
    Put("stages/7_final/model.safetensors", std::string(5 << 20, 'w'));
    EXPECT_THAT(RecordStageFiles(run_ + "/stages/7_final", plan[6].key,
                                 {"metrics.json", "model.safetensors"}),
                IsOk());
    EXPECT_THAT(PublishResults(run_ + "/stages/7_final", run_), IsOk());
    Checkpoint checkpoint;
    checkpoint.iteration = 12;
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
  EXPECT_THAT(run->ToString(), HasSubstr("stages/1_rpn1   unfinished, 1 checkpoint, 2 files"));
  EXPECT_THAT(run->ToString(), HasSubstr("stages/7_final  finished, 2 files compared\n"));
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

TEST_F(VerifyRunTest, AFolderInTheFilesPlaceIsDamage) {
  fs::remove(run_ + "/metrics.json");
  fs::create_directories(run_ + "/metrics.json");
  EXPECT_THAT(Damage(), ElementsAre(HasSubstr(run_ + "/metrics.json is not a regular file")));
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
