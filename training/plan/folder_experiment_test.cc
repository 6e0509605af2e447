#include "rcnn/training/plan/folder_experiment.h"

#include <filesystem>
#include <iterator>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/data/sources/folder_split.h"
#include "rcnn/data/sources/make_dataset.h"
#include "rcnn/training/config/check_experiment.h"
#include "rcnn/training/plan/plan_speed.h"
#include "rcnn/training/scheduler/rehearsal.h"
#include "rcnn/training/scheduler/run_lock.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kFolder[] = "data/sources/testdata/folders/yolo_roboflow";

// A run directory that does not exist.
std::string FreshRun() {
  setenv("XDG_CACHE_HOME", testing::TempDir().c_str(), 1);
  const std::string run = testing::TempDir() + "/run";
  fs::remove_all(run);
  return run;
}

// Half a second for each unit of each stage.
absl::StatusOr<SecondsPerUnit> KnownSpeed(const configs::ExperimentConfig& config,
                                          const data::FolderSplit&, const RehearsalOptions&) {
  SecondsPerUnit speed;
  for (const configs::StageConfig& stage : config.stages()) speed[stage.name()] = 0.5;
  return speed;
}

FolderExperimentOptions Options(const std::string& run) {
  FolderExperimentOptions options;
  options.folder = kFolder;
  options.run_directory = run;
  options.quiet = true;
  options.budget = "2s";
  options.measure_speed = KnownSpeed;
  return options;
}

// The one test that measures the machine.
TEST(MakeFolderExperiment, NamesItsDataInFull) {
  const std::string run = FreshRun();
  FolderExperimentOptions options = Options(run);
  options.measure_speed = MeasureSpeed;
  const auto experiment = MakeFolderExperiment(options);
  ASSERT_THAT(experiment, IsOk());
  EXPECT_EQ(experiment->config.name(), "yolo_roboflow");
  EXPECT_THAT(CheckExperiment(experiment->config), IsOk());
  const configs::ExperimentData& data = experiment->config.data();
  EXPECT_TRUE(data.train().has_yolo() && data.validation().has_yolo() && data.test().has_yolo());
  EXPECT_EQ(data.train().yolo().name_size(), 2);
  // The given test part, and two images of three to train on.
  for (const auto& [config, size] :
       {std::pair(data.train(), 2), std::pair(data.validation(), 1), std::pair(data.test(), 1)}) {
    const auto dataset = data::MakeDataset(config, {});
    ASSERT_THAT(dataset, IsOk());
    EXPECT_EQ((*dataset)->size(), size);
  }
  EXPECT_THAT(experiment->explanation, Contains(HasSubstr("best possible recall at IoU 0.5")));
  // The same call finds the same.
  const auto again = MakeFolderExperiment(options);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->config.DebugString(), experiment->config.DebugString());
  EXPECT_THAT(again->changes, IsEmpty());
}

// Edited by the user, found by a command without the flags, replaced for another budget.
TEST(MakeFolderExperiment, KeepsItsPlan) {
  const std::string run = FreshRun();
  FolderExperimentOptions options = Options(run);
  options.recipe = "alternating";
  ASSERT_THAT(MakeFolderExperiment(options), IsOk());
  std::string text = *ReadFile(run + "/plan.textproto");
  ASSERT_THAT(WriteFileAtomically(run + "/plan.textproto", text + "seed: 77\n"), IsOk());
  options.budget = options.recipe = "";
  auto kept = MakeFolderExperiment(options);
  ASSERT_THAT(kept, IsOk());
  EXPECT_EQ(kept->config.seed(), 77u);
  EXPECT_TRUE(kept->edited);
  EXPECT_TRUE(kept->config.stages(0).has_train_rpn());
  options.budget = "3s";
  kept = MakeFolderExperiment(options);
  ASSERT_THAT(kept, IsOk());
  EXPECT_THAT(kept->changes, ElementsAre(HasSubstr("budget")));
  EXPECT_FALSE(kept->config.has_seed());
  EXPECT_EQ(kept->kept_plan, run + "/plan.previous.textproto");
  EXPECT_THAT(ReadFile(kept->kept_plan), IsOkAndHolds(text + "seed: 77\n"));
  EXPECT_TRUE(kept->config.stages(0).has_train_rpn());
  // With --replan flags that are not given have their defaults again.
  options.replan = true;
  kept = MakeFolderExperiment(options);
  ASSERT_THAT(kept, IsOk());
  EXPECT_TRUE(kept->config.stages(0).has_train_joint());
  EXPECT_EQ(kept->kept_plan, "");
}

TEST(MakeFolderExperiment, AnotherFolderIsRefused) {
  const std::string run = FreshRun();
  FolderExperimentOptions options = Options(run);
  ASSERT_THAT(MakeFolderExperiment(options), IsOk());
  options.folder = "data/sources/testdata/folders/yolo_beside";
  EXPECT_THAT(MakeFolderExperiment(options).status().ToString(),
              AllOf(HasSubstr("yolo_roboflow"), HasSubstr("--run_dir")));
}

// Another plan would make the run's next start do its stages again.
TEST(MakeFolderExperiment, ChangesNothingWhileASchedulerWorks) {
  const std::string run = FreshRun();
  FolderExperimentOptions options = Options(run);
  ASSERT_THAT(MakeFolderExperiment(options), IsOk());
  const std::string plan = *ReadFile(run + "/plan.textproto");
  options.budget = "3s";
  {
    const auto lock = RunLock::Take(run);
    ASSERT_THAT(lock, IsOk());
    EXPECT_THAT(MakeFolderExperiment(options),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         HasSubstr("another scheduler is running in " + run)));
    EXPECT_THAT(ReadFile(run + "/plan.textproto"), IsOkAndHolds(plan));
    options.dry_run = true;
    EXPECT_THAT(MakeFolderExperiment(options), IsOk());
    options.dry_run = false;
  }
  EXPECT_THAT(MakeFolderExperiment(options), IsOk());
  EXPECT_NE(*ReadFile(run + "/plan.textproto"), plan);
}

TEST(MakeFolderExperiment, ANewDirectoryIsLockedWhileItIsPlanned) {
  const std::string run = FreshRun();
  FolderExperimentOptions options = Options(run);
  int tries = 0;
  options.measure_speed = [&](const configs::ExperimentConfig& config,
                              const data::FolderSplit& split, const RehearsalOptions& rehearsal) {
    ++tries;
    EXPECT_THAT(RunLock::Take(run), StatusIs(absl::StatusCode::kFailedPrecondition,
                                             HasSubstr("another scheduler is running in " + run)));
    return KnownSpeed(config, split, rehearsal);
  };
  EXPECT_THAT(MakeFolderExperiment(options), IsOk());
  EXPECT_GT(tries, 0);
  EXPECT_THAT(RunLock::Take(run), IsOk());
}

TEST(MakeFolderExperiment, ADirectoryThatIsReplacedWhileItIsPlannedGetsNoPlan) {
  const std::string run = FreshRun(), moved = run + ".moved";
  fs::remove_all(moved);
  FolderExperimentOptions options = Options(run);
  options.measure_speed = [&](const configs::ExperimentConfig& config,
                              const data::FolderSplit& split, const RehearsalOptions& rehearsal) {
    if (!fs::exists(moved)) {
      fs::rename(run, moved);
      fs::create_directories(run);
    }
    return KnownSpeed(config, split, rehearsal);
  };
  EXPECT_THAT(MakeFolderExperiment(options), StatusIs(absl::StatusCode::kFailedPrecondition,
                                                      HasSubstr("moved, deleted or replaced")));
  EXPECT_TRUE(fs::is_empty(run));
}

TEST(MakeFolderExperiment, ADirectoryOfOtherFilesIsRefused) {
  const std::string run = FreshRun();
  ASSERT_THAT(CreateDirectories(run), IsOk());
  ASSERT_THAT(WriteFileAtomically(run + "/thesis.tex", "years of work"), IsOk());
  EXPECT_THAT(MakeFolderExperiment(Options(run)),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("thesis.tex"), HasSubstr("--run_dir"))));
  EXPECT_EQ(std::distance(fs::directory_iterator(run), fs::directory_iterator()), 1);
}

// Budget and recipe before anything is written, such as the lists of the split.
TEST(MakeFolderExperiment, WrongFlagsAreErrors) {
  const std::string run = FreshRun();
  FolderExperimentOptions options = Options(run);
  options.budget = "20";
  EXPECT_THAT(MakeFolderExperiment(options).status().ToString(), HasSubstr("--budget: \"20\""));
  options = Options(run);
  options.recipe = "fast";
  EXPECT_THAT(MakeFolderExperiment(options).status().ToString(), HasSubstr("--recipe: \"fast\""));
  EXPECT_FALSE(fs::exists(run));
  options = Options(FreshRun());
  options.pretrained = "nowhere.pth";
  EXPECT_THAT(MakeFolderExperiment(options).status().ToString(), HasSubstr("--pretrained"));
}

// One box of four has its corners exchanged.
TEST(MakeFolderExperiment, TooManyDefectsStopIt) {
  const std::string folder = testing::TempDir() + "/defects";
  fs::remove_all(folder);
  ASSERT_THAT(CreateDirectories(folder), IsOk());
  std::string csv = "filename,width,height,class,xmin,ymin,xmax,ymax\n";
  int count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(kFolder)) {
    const std::string extension = entry.path().extension();
    if (extension != ".jpg" && extension != ".png") continue;
    const std::string name = std::to_string(count++) + extension;
    fs::copy_file(entry.path(), folder + "/" + name);
    csv += name + ",,,cell,2,2,12,12\n" + name +
           (count == 1 ? ",,,cell,9,9,3,3\n" : ",,,cell,3,3,9,9\n");
  }
  ASSERT_GE(count, 3);
  ASSERT_THAT(WriteFileAtomically(folder + "/boxes.csv", csv), IsOk());
  FolderExperimentOptions options = Options(FreshRun());
  options.folder = folder;
  EXPECT_THAT(MakeFolderExperiment(options).status().ToString(), HasSubstr("--allow_defects"));
  options.allow_defects = true;
  EXPECT_THAT(MakeFolderExperiment(options), IsOk());
}

TEST(MakeFolderExperiment, ADryRunWritesNothing) {
  const std::string run = FreshRun();
  FolderExperimentOptions options = Options(run);
  options.dry_run = true;
  ASSERT_THAT(MakeFolderExperiment(options), IsOk());
  EXPECT_FALSE(fs::exists(run));
}

TEST(MakeFolderExperiment, ErrorsNameTheFlag) {
  const std::string empty = testing::TempDir() + "/empty";
  ASSERT_THAT(CreateDirectories(empty), IsOk());
  EXPECT_THAT(MakeFolderExperiment({.folder = empty, .quiet = true}).status().ToString(),
              HasSubstr("--data_root"));
}

TEST(ExperimentName, HasOnlyWhatNamesMayHave) {
  EXPECT_EQ(ExperimentName("/data/my cells (v2)"), "my_cells__v2_");
  EXPECT_EQ(ExperimentName("a/b.c-d_e"), "b.c-d_e");
  EXPECT_EQ(ExperimentName("a/cells/"), "cells");
  EXPECT_EQ(ExperimentName("/"), "data");
}

}  // namespace
}  // namespace rcnn::training
