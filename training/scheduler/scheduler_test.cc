#include "rcnn/training/scheduler/scheduler.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/instruction_level.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/config/config_override.h"
#include "rcnn/training/testing/tiny_run.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

absl::Status RunIn(const configs::ExperimentConfig& config, const std::string& directory,
                   bool rehearse = false, bool dry_run = false) {
  return RunExperiment({.config = config,
                        .run_directory = directory,
                        .dry_run = dry_run,
                        .rehearse = rehearse,
                        .quiet = true});
}

absl::Status OverrideError(const std::vector<std::string>& overrides, bool rehearse = true) {
  const std::string directory = FreshDirectory("refused") + "/run";
  const absl::Status status = RunIn(TinyExperiment(overrides), directory, rehearse);
  // No stage has begun.
  EXPECT_FALSE(fs::exists(directory + "/stages/1_rpn1"));
  return status;
}

// When each file was written, LOCK aside.
std::map<std::string, fs::file_time_type> Files(const std::string& directory) {
  std::map<std::string, fs::file_time_type> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file() && entry.path().filename() != "LOCK") {
      files[fs::relative(entry.path(), directory)] = entry.last_write_time();
    }
  }
  return files;
}

// Stages whose DONE has changed.
std::vector<std::string> Rerun(const std::map<std::string, fs::file_time_type>& before,
                               const std::map<std::string, fs::file_time_type>& after) {
  std::vector<std::string> stages;
  for (const auto& [file, time] : after) {
    const fs::path path(file);
    if (path.filename() != "DONE") continue;
    const auto found = before.find(file);
    if (found == before.end() || found->second != time) {
      stages.push_back(path.parent_path().filename());
    }
  }
  return stages;
}

// Three stages are enough for most.
configs::ExperimentConfig Short(const std::vector<std::string>& overrides = {}) {
  configs::ExperimentConfig config = TinyExperiment();
  while (config.stages_size() > 3) config.mutable_stages()->RemoveLast();
  for (const std::string& assignment : overrides) {
    EXPECT_THAT(ApplyOverride(assignment, &config), IsOk());
  }
  return config;
}

constexpr char kRate[] = "stages.fast1.train_fast_rcnn.training.solver.learning_rate=0.003";

TEST(SchedulerTest, RunsEveryStageAndPublishesResults) {
  const std::string directory = FreshDirectory() + "/new/run";
  ASSERT_THAT(RunIn(TinyExperiment(), directory, /*rehearse=*/true), IsOk());
  for (const char* stage :
       {"1_rpn1", "2_proposals1", "3_fast1", "4_rpn2", "5_proposals2", "6_fast2", "7_final"}) {
    EXPECT_TRUE(fs::exists(absl::StrCat(directory, "/stages/", stage, "/DONE"))) << stage;
  }
  for (const char* file : {"detections.json", "metrics.json", "contact_sheet.jpg", "report.html",
                           "model.safetensors", "detector.textproto", "experiment.textproto"}) {
    EXPECT_TRUE(fs::exists(absl::StrCat(directory, "/", file))) << file;
  }
  EXPECT_FALSE(fs::exists(directory + "/rehearsal"));
}

TEST(SchedulerTest, ASecondRunSkipsEverything) {
  const std::string directory = FreshDirectory();
  ASSERT_THAT(RunIn(Short(), directory), IsOk());
  const auto before = Files(directory);
  ASSERT_THAT(RunIn(Short(), directory), IsOk());
  auto after = Files(directory);
  EXPECT_THAT(Rerun(before, after), IsEmpty());
  // Only the record of the experiment may be written again.
  after["experiment.textproto"] = before.at("experiment.textproto");
  EXPECT_EQ(before, after);
}

// A folder, a pipe and a link to itself.
TEST(SchedulerTest, WhatIsInThePlaceOfARecordMakesWay) {
  const std::string directory = FreshDirectory();
  ASSERT_THAT(RunIn(Short(), directory, /*rehearse=*/true), IsOk());
  const std::string record = directory + "/data_root.txt", rehearsed = directory + "/rehearsed.txt";
  const std::string text = ReadFile(record).value();
  const auto check = [&] {
    ASSERT_THAT(RunIn(Short(), directory), IsOk());
    EXPECT_THAT(ReadFile(record), IsOkAndHolds(text));
    fs::remove(record);
  };
  fs::remove(record);
  fs::create_directories(record + "/mine");
  check();
  EXPECT_TRUE(fs::exists(record + ".before/mine"));
  ASSERT_EQ(mkfifo(record.c_str(), 0600), 0);
  check();
  fs::create_symlink(record, record);
  check();
  std::ofstream(record) << std::string(2 << 20, 'x');
  EXPECT_THAT(RunIn(Short(), directory), IsOk()) << "it is too large to be one";
  fs::remove(rehearsed);
  fs::create_directories(rehearsed + "/mine");
  EXPECT_THAT(RunIn(Short({kRate}), directory, /*rehearse=*/true), IsOk());
  EXPECT_TRUE(fs::is_regular_file(rehearsed));
}

TEST(SchedulerTest, ARunIsDoneEvenIfAResultCannotBeExamined) {
  const std::string directory = FreshDirectory();
  ASSERT_THAT(RunIn(Short(), directory), IsOk());
  // Links to themselves. Nothing is published here, so they stay.
  for (const char* name : {"report.html", "detector.textproto"}) {
    fs::create_symlink(name, absl::StrCat(directory, "/", name));
    EXPECT_THAT(RunIn(Short(), directory), IsOk()) << name;
    fs::remove(absl::StrCat(directory, "/", name));
  }
}

TEST(SchedulerTest, EditOfTheLastStageRerunsOnlyIt) {
  const std::string directory = FreshDirectory();
  ASSERT_THAT(RunIn(Short(), directory), IsOk());
  const auto before = Files(directory);
  ASSERT_THAT(RunIn(Short({kRate}), directory), IsOk());
  EXPECT_THAT(Rerun(before, Files(directory)), ElementsAre("3_fast1"));
}

TEST(SchedulerTest, EditRerunsDependentStages) {
  const std::string directory = FreshDirectory();
  ASSERT_THAT(RunIn(TinyExperiment(), directory), IsOk());
  const auto before = Files(directory);
  ASSERT_THAT(RunIn(TinyExperiment({"stages.rpn2.train_rpn.training.solver.learning_rate=0.003"}),
                    directory),
              IsOk());
  EXPECT_THAT(Rerun(before, Files(directory)),
              UnorderedElementsAre("4_rpn2", "5_proposals2", "6_fast2", "7_final"));
}

TEST(SchedulerTest, ResourcesRerunNothing) {
  const std::string directory = FreshDirectory();
  ASSERT_THAT(RunIn(Short(), directory), IsOk());
  const auto before = Files(directory);
  ASSERT_THAT(
      RunIn(Short({"resources.loader.workers=2", "resources.feature_cache_mib=1"}), directory),
      IsOk());
  EXPECT_THAT(Rerun(before, Files(directory)), IsEmpty());
}

TEST(SchedulerTest, ADryRunChangesNothing) {
  const std::string directory = FreshDirectory();
  ASSERT_THAT(RunIn(Short(), directory + "/run", false, /*dry_run=*/true), IsOk());
  EXPECT_FALSE(fs::exists(directory + "/run"));
  ASSERT_THAT(RunIn(Short(), directory + "/run"), IsOk());
  const auto before = Files(directory);
  ASSERT_THAT(RunIn(Short({kRate}), directory + "/run", false, /*dry_run=*/true), IsOk());
  EXPECT_EQ(Files(directory), before);
}

TEST(SchedulerTest, DamagedResultIsRecomputed) {
  const std::string directory = FreshDirectory();
  ASSERT_THAT(RunIn(Short(), directory), IsOk());
  const std::string file = directory + "/stages/2_proposals1/proposals.safetensors";
  const std::string bytes = ReadFile(file).value();
  fs::resize_file(file, 10);
  ASSERT_THAT(RunIn(Short(), directory), IsOk());
  EXPECT_EQ(ReadFile(file).value(), bytes);
}

// A detector's files are deleted when the stage no longer writes one.
TEST(SchedulerTest, DeletesResultsOfAnEarlierExperiment) {
  const std::string directory = FreshDirectory();
  ASSERT_THAT(RunIn(TinyExperiment(), directory), IsOk());
  ASSERT_TRUE(fs::exists(directory + "/model.safetensors"));
  ASSERT_THAT(RunIn(TinyExperiment(
                        {"stages.final.evaluate.unshared=true", "stages.final.evaluate.rpn=rpn1"}),
                    directory),
              IsOk());
  EXPECT_FALSE(fs::exists(directory + "/model.safetensors"));
  EXPECT_TRUE(fs::exists(directory + "/metrics.json"));
}

// Found by the rehearsal: the network of the last training stage cannot load its
// initial weights.
TEST(SchedulerTest, FindsAnImpossibleStageBeforeStarting) {
  EXPECT_THAT(
      OverrideError(
          {"stages.fast2.init=[{ stage: 'fast1' part: ['backbone', 'head.fc6', 'head.fc9'] }]"}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("rehearsal"), HasSubstr("fast2"), HasSubstr("head.fc9"))));
}

TEST(SchedulerTest, OnlyAFailedRehearsalRepeats) {
  const std::string directory = FreshDirectory();
  const auto config = Short();
  const auto broken = Short({"stages.fast1.init=[{ stage: 'rpn1' part: 'backbone.nothing' }]"});
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(RunIn(broken, directory, /*rehearse=*/true),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("rehearsal")));
    EXPECT_FALSE(fs::exists(directory + "/rehearsed.txt"));
  }
  ASSERT_THAT(RunIn(config, directory, /*rehearse=*/true), IsOk());
  const auto before = Files(directory);
  ASSERT_TRUE(before.count("rehearsed.txt"));
  fs::remove(directory + "/stages/3_fast1/DONE");
  fs::remove(directory + "/stages/3_fast1/copies/record.json");
  ASSERT_THAT(RunIn(config, directory, /*rehearse=*/true), IsOk());
  EXPECT_EQ(Files(directory).at("rehearsed.txt"), before.at("rehearsed.txt"));
}

void Flip(const std::string& path) {
  std::string bytes = ReadFile(path).value();
  bytes[bytes.size() / 2] ^= 1;
  std::ofstream(path, std::ios::binary) << bytes;
}

// The contents of a run's files, without times.
std::map<std::string, std::string> Contents(const std::string& directory) {
  std::map<std::string, std::string> contents;
  for (const auto& [file, time] : Files(directory)) {
    if (file.find("events.out") == std::string::npos) {
      contents[file] = ReadFile(absl::StrCat(directory, "/", file)).value();
    }
  }
  return contents;
}

// One flipped bit of any file of a finished run: never used, never published.
TEST(SchedulerTest, AFlippedBitIsRepairedFromTheWholeCopy) {
  const std::string directory = FreshDirectory();
  ASSERT_THAT(RunIn(TinyExperiment(), directory), IsOk());
  const auto before = Contents(directory);
  for (const auto& [file, bytes] : before) {
    if (bytes.empty()) continue;
    Flip(absl::StrCat(directory, "/", file));
    ASSERT_THAT(RunIn(TinyExperiment(), directory), IsOk()) << file;
    EXPECT_EQ(Contents(directory), before) << file;
  }
}

TEST(SchedulerTest, AFlippedBitWithoutAWholeCopyIsMadeAgain) {
  const std::string directory = FreshDirectory();
  ASSERT_THAT(RunIn(TinyExperiment(), directory), IsOk());
  for (const char* file : {"stages/1_rpn1/model.safetensors", "stages/7_final/model.safetensors",
                           "stages/7_final/detections.json", "stages/7_final/metrics.json"}) {
    const std::string path = absl::StrCat(directory, "/", file);
    const std::string name = fs::path(path).filename();
    const std::string whole = ReadFile(path).value();
    const auto before = Files(directory);
    Flip(path);
    Flip(absl::StrCat(fs::path(path).parent_path().string(), "/copies/", name));
    if (std::string(file).find("final") != std::string::npos) {
      Flip(absl::StrCat(directory, "/", name));
    }
    ASSERT_THAT(RunIn(TinyExperiment(), directory), IsOk()) << file;
    EXPECT_THAT(Rerun(before, Files(directory)),
                ElementsAre(fs::path(path).parent_path().filename().string()));
    EXPECT_EQ(ReadFile(path).value(), whole) << file;
    if (fs::exists(absl::StrCat(directory, "/", name)) && path.find("final") != path.npos) {
      EXPECT_EQ(ReadFile(absl::StrCat(directory, "/", name)).value(), whole) << file;
    }
  }
}

// As written by a version before seals, and by one before checksums.
TEST(SchedulerTest, StagesFromBeforeAreAdoptedAndRecorded) {
  const std::string directory = FreshDirectory();
  ASSERT_THAT(RunIn(TinyExperiment(), directory), IsOk());
  for (const auto& entry : fs::directory_iterator(directory + "/stages")) {
    const std::string done = entry.path().string() + "/DONE";
    const std::string text = ReadFile(done).value();
    const size_t key = text.find("\"key\": \"") + 8;
    ASSERT_THAT(WriteFileAtomically(
                    done, absl::StrCat("{\"format\": 1, \"key\": \"", text.substr(key, 32), "\"}")),
                IsOk());
    fs::remove_all(entry.path() / "copies");
  }
  const auto before = Files(directory);
  ASSERT_THAT(RunIn(TinyExperiment(), directory), IsOk());
  auto after = Files(directory);
  for (const auto& [file, time] : before) {
    const std::string name = fs::path(file).filename();
    if (name == "DONE" || name == "experiment.textproto") continue;
    EXPECT_EQ(after.at(file), time) << file;
  }
  EXPECT_THAT(ReadFile(directory + "/stages/1_rpn1/DONE").value(), HasSubstr("\"seal\""));
  Flip(directory + "/stages/1_rpn1/model.safetensors");
  Flip(directory + "/stages/1_rpn1/copies/model.safetensors");
  ASSERT_THAT(RunIn(TinyExperiment(), directory), IsOk());
  EXPECT_THAT(Rerun(after, Files(directory)), ElementsAre("1_rpn1"));
}

// A bit flips on disk in the input of a stage to run: the stage that wrote it reruns,
// and those that are up to date do not.
TEST(SchedulerTest, DamagedInputsAreRecomputed) {
  const std::string directory = FreshDirectory();
  ASSERT_THAT(RunIn(Short(), directory), IsOk());
  const std::string proposals = directory + "/stages/2_proposals1/proposals.safetensors";
  const std::string whole = ReadFile(proposals).value();
  Flip(proposals);
  Flip(directory + "/stages/2_proposals1/copies/proposals.safetensors");
  const auto before = Files(directory);
  ASSERT_THAT(RunIn(Short({kRate}), directory), IsOk());
  EXPECT_THAT(Rerun(before, Files(directory)), UnorderedElementsAre("2_proposals1", "3_fast1"));
  EXPECT_EQ(ReadFile(proposals).value(), whole);
}

// The same experiment, the same directory, another folder of images.
TEST(SchedulerTest, DoesNotReplaceResultsOfOtherData) {
  const std::string directory = FreshDirectory();
  SchedulerOptions options = {.config = Short(),
                              .data_root = "cells",
                              .run_directory = directory,
                              .rehearse = false,
                              .quiet = true};
  ASSERT_THAT(RunExperiment(options), IsOk());
  const auto before = Files(directory);
  options.config = Short({"data.train.shapes.seed=99"});
  options.data_root = "leaves";
  const absl::Status status = RunExperiment(options);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               AllOf(HasSubstr("results for other data"), HasSubstr("cells"),
                                     HasSubstr("--run_dir"))));
  EXPECT_THAT(Rerun(before, Files(directory)), IsEmpty());
  // In its own folder, data may change.
  options.data_root = "cells";
  EXPECT_THAT(RunExperiment(options), IsOk());
}

TEST(SchedulerTest, ExceptionsOfLibrariesAreErrors) {
  EXPECT_THAT(OverrideError({"model.head.fc.fc_channels=[1000000, 1000000]"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("stage fast1"), ::testing::Not(HasSubstr("frame #")))));
}

TEST(SchedulerTest, ReportsAnImpossibleNetworkBeforeWriting) {
  for (const char* wrong :
       {"model.head.pool.size=-1", "model.head.targets.rois_per_image=0",
        "model.rpn.anchors.size_px=[-5]", "model.normalization.std=[0, 0, 0]",
        "model.backbone.tiny.channels=0", "stages.rpn1.freeze=['backbone.nothing']",
        "resources.loader.workers=1000000",
        "stages.rpn1.train_rpn.training.solver.learning_rate=inf"}) {
    const std::string directory = FreshDirectory("wrong") + "/run";
    configs::ExperimentConfig config = TinyExperiment();
    ASSERT_THAT(ApplyOverride(wrong, &config), IsOk());
    EXPECT_THAT(RunIn(config, directory, /*rehearse=*/true), ::testing::Not(IsOk())) << wrong;
    EXPECT_FALSE(fs::exists(directory)) << wrong;
  }
}

// On the CPU, which has no graphs.
TEST(SchedulerTest, RefusesGraphsOfTrainingOnlyWhereAStageTrains) {
  const auto config = [](const std::vector<std::string>& overrides = {}) {
    configs::ExperimentConfig two = Short(overrides);  // rpn1 and proposals1
    two.mutable_stages()->RemoveLast();
    return two;
  };
  const std::string graphs = "resources.training_graphs=4", directory = FreshDirectory();
  for (const bool dry_run : {false, true}) {
    EXPECT_THAT(RunIn(config({graphs}), directory, /*rehearse=*/true, dry_run),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("resources.training_graphs: is 4, but this program has no")));
    EXPECT_FALSE(fs::exists(directory + "/stages/1_rpn1"));
  }
  ASSERT_THAT(RunIn(config(), directory), IsOk());
  EXPECT_THAT(RunIn(config({graphs}), directory), IsOk()) << "everything is up to date";
  const std::string fewer = "stages.proposals1.generate_proposals.proposals.after_nms=5";
  const auto before = Files(directory);
  EXPECT_THAT(RunIn(config({graphs, fewer}), directory, /*rehearse=*/true), IsOk());
  EXPECT_THAT(Rerun(before, Files(directory)), ElementsAre("2_proposals1"));
}

// With bfloat16, which the CPU lacks at a lower level of instructions.
TEST(SchedulerTest, RefusesAPrecisionOnlyWhereAStageTrains) {
  const auto config = [](const std::vector<std::string>& overrides) {
    configs::ExperimentConfig two = Short(overrides);  // rpn1 and proposals1
    two.mutable_stages()->RemoveLast();
    return two;
  };
  const std::string field = "stages.rpn1.train_rpn.training.";
  const std::string directory = FreshDirectory();
  for (const bool dry_run : {false, true}) {
    EXPECT_THAT(RunIn(config({field + "precision=FLOAT16"}), directory, /*rehearse=*/true, dry_run),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("stage rpn1: training.precision: FLOAT16 needs a GPU")));
    EXPECT_FALSE(fs::exists(directory + "/stages/1_rpn1"));
  }
  RCNN_SKIP_WITHOUT(InstructionLevel::kAvx512Bf16);
  RCNN_SKIP_WITHOUT_CPU_AUTOCAST();
  const std::string half = field + "precision=BFLOAT16", trained = FreshDirectory("trained");
  {
    const ScopedInstructionLevel level(InstructionLevel::kAvx512Bf16);
    ASSERT_THAT(RunIn(config({half}), trained), IsOk());
  }
  const ScopedInstructionLevel lower(InstructionLevel::kAvx2);
  EXPECT_THAT(RunIn(config({half}), trained), IsOk()) << "everything is up to date";
  const std::string fewer = "stages.proposals1.generate_proposals.proposals.after_nms=5";
  const auto before = Files(trained);
  EXPECT_THAT(RunIn(config({half, fewer}), trained, /*rehearse=*/true), IsOk());
  EXPECT_THAT(Rerun(before, Files(trained)), ElementsAre("2_proposals1"));
  EXPECT_THAT(RunIn(config({half, field + "solver.iterations=4"}), trained),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("stage rpn1: training.precision: BFLOAT16 needs a GPU")));
}

TEST(SchedulerTest, ReportsDifferentClasses) {
  EXPECT_THAT(OverrideError({"data.test.shapes.num_classes=3"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("data.test has the classes disc, square, triangle"),
                             HasSubstr("data.train has disc, square"), HasSubstr("--set"))));
}

TEST(SchedulerTest, ReportsDataWithoutObjects) {
  EXPECT_THAT(OverrideError({"data.train.shapes.min_objects=0", "data.train.shapes.max_objects=0"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("stage rpn1"), HasSubstr("none of the training images"))));
}

TEST(SchedulerTest, ReportsABatchLargerThanTheData) {
  EXPECT_THAT(OverrideError({"stages.fast2.train_fast_rcnn.training.batching.images_per_batch=9"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("stage fast2"), HasSubstr("images_per_batch is 9"),
                             HasSubstr("only 8 training images"))));
  EXPECT_THAT(
      OverrideError({"data.train.shapes.num_images=1"}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("images_per_batch is 2"), HasSubstr("only 1 training image"))));
}

TEST(SchedulerTest, OneImageIsEnoughForBatchesOfOne) {
  std::vector<std::string> overrides = {"data.train.shapes.num_images=1",
                                        "data.test.shapes.num_images=1"};
  for (const char* stage : {"rpn1.train_rpn", "fast1.train_fast_rcnn"}) {
    overrides.push_back(absl::StrCat("stages.", stage, ".training.batching.images_per_batch=1"));
  }
  EXPECT_THAT(RunIn(Short(overrides), FreshDirectory(), /*rehearse=*/true), IsOk());
}

// An evaluation of images without objects has undefined metrics, and says so.
TEST(SchedulerTest, EvaluatesTestImagesWithoutObjects) {
  const std::string directory = FreshDirectory();
  ASSERT_THAT(
      RunIn(TinyExperiment({"data.test.shapes.min_objects=0", "data.test.shapes.max_objects=0"}),
            directory),
      IsOk());
  EXPECT_THAT(ReadFile(directory + "/metrics.json").value(), HasSubstr("null"));
}

TEST(SchedulerTest, NamesAMissingWeightsFile) {
  EXPECT_THAT(OverrideError({"pretrained={ file: 'vgg.pth' hint: 'Ask for it.' }",
                             "stages.rpn1.init=[{ pretrained: true }]"}),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("vgg.pth"), HasSubstr("Ask for it."), HasSubstr("--set"))));
}

}  // namespace
}  // namespace rcnn::training
