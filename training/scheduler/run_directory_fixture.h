// Tests of a run directory: each has a path where none is yet, and stages of SampleExperiment.

#ifndef RCNN_TRAINING_SCHEDULER_RUN_DIRECTORY_FIXTURE_H_
#define RCNN_TRAINING_SCHEDULER_RUN_DIRECTORY_FIXTURE_H_

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/scheduler/run_directory.h"
#include "rcnn/training/scheduler/stage_plan.h"
#include "rcnn/training/testing/sample_experiment.h"

namespace rcnn::training {

class RunDirectoryFixture : public ::testing::Test {
 protected:
  // An edit of the last stage, Plan()[6], alone.
  static constexpr char kFinalEdit[] = "stages.final.evaluate.max_proposals=5";

  RunDirectoryFixture() : path_(FreshDirectory() + "/run") {}

  static std::vector<PlannedStage> Plan(const std::vector<std::string>& overrides = {}) {
    return PlanStages(SampleExperiment(overrides), {});
  }

  // Writes a file, and first its folders.
  static void Put(const std::string& path, const std::string& bytes) {
    ASSERT_THAT(CreateDirectories(std::filesystem::path(path).parent_path()), IsOk());
    ASSERT_THAT(WriteFileAtomically(path, bytes), IsOk()) << path;
  }

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

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_RUN_DIRECTORY_FIXTURE_H_
