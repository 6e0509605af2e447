#include "rcnn/training/scheduler/rank_steps.h"

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/stage_record.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/scheduler/open_experiment.h"
#include "rcnn/training/scheduler/scheduler.h"
#include "rcnn/training/testing/run_ranks.h"
#include "rcnn/training/testing/tiny_run.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<PlannedStage> Plan(const std::vector<std::string>& overrides) {
  const configs::ExperimentConfig config = TinyExperiment(overrides);
  const ExperimentRun run = OpenExperiment(config, "").value();
  return PlanStages(config, MakePlanInputs(run).value());
}

TEST(RankStepsTest, DifferentConfigsAndDataAreErrorsWithBothValues) {
  const std::pair<std::string, std::vector<std::string>> cases[] = {
      {"stages.fast1.train_fast_rcnn.training.solver.learning_rate=0.003",
       {"learning_rate", "fast1", "rank 0 is 0.01", "rank 1 0.003"}},
      {"stages.rpn1.train_rpn.training.average_decay=0.5",
       {"average_decay", "rank 0 is 0", "rank 1 0.5"}},
      {"data.train.shapes.seed=9", {"of rank 0", "of rank 1"}}};
  for (const auto& [override, words] : cases) {
    SCOPED_TRACE(override);
    const std::vector<PlannedStage> plans[] = {Plan({}), Plan({override})};
    const auto statuses = RunRanks(2, [&](const std::shared_ptr<RankGroup>& group) {
      return CheckSameRun(*group, plans[group->rank()]);
    });
    for (const absl::Status& status : statuses) {
      EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
      for (const std::string& word : words) {
        EXPECT_THAT(std::string(status.message()), HasSubstr(word));
      }
    }
  }
  const std::vector<PlannedStage> plan = Plan({});
  EXPECT_THAT(
      RunRanks(2,
               [&](const std::shared_ptr<RankGroup>& group) { return CheckSameRun(*group, plan); }),
      Each(IsOk()));
}

TEST(RankStepsTest, RanksAreOnTheCpuOrAllOnGpus) {
  const ExperimentRun shared = OpenExperiment(TinyExperiment(), "").value();
  const auto connect = [&](int ranks_with_gpus) {
    return RunRanks(2, [&](const std::shared_ptr<RankGroup>& group) {
      ExperimentRun run = shared;
      run.ranks = group;
      if (group->rank() < ranks_with_gpus) run.device = c10::Device(c10::DeviceType::CUDA, 0);
      return ConnectDevices(run);
    });
  };
  EXPECT_THAT(connect(0), Each(IsOk()));
  EXPECT_THAT(connect(1), Each(StatusIs(absl::StatusCode::kFailedPrecondition,
                                        AllOf(HasSubstr("resources.device of rank 0 is CUDA"),
                                              HasSubstr("of rank 1 CPU")))));
}

TEST(RankStepsTest, ADirectoryThatIsNotSharedIsNamed) {
  const std::string first = FreshDirectory("first"), other = FreshDirectory("other");
  // As an earlier run has left it.
  ASSERT_THAT(WriteFileAtomically(other + "/ranks.txt", "process 1"), IsOk());
  const auto check = [&](const std::string& of_other) {
    return RunRanks(2, [&](const std::shared_ptr<RankGroup>& group) {
      return CheckSharedDirectory(*group, group->rank() == 0 ? first : of_other,
                                  absl::Milliseconds(300));
    });
  };
  EXPECT_THAT(check(first), Each(IsOk()));
  EXPECT_THAT(check(other),
              Each(StatusIs(absl::StatusCode::kFailedPrecondition,
                            AllOf(HasSubstr("rank 1: on "), HasSubstr(other),
                                  HasSubstr("shared file system"), HasSubstr("--run_dir")))));
  EXPECT_FALSE(fs::exists(first + "/ranks.txt"));
  // No user can read a link to itself.
  fs::remove(other + "/ranks.txt");
  fs::create_symlink("ranks.txt", other + "/ranks.txt");
  EXPECT_THAT(check(other),
              Each(StatusIs(absl::StatusCode::kUnavailable,
                            AllOf(HasSubstr("rank 1: on "), HasSubstr(other + "/ranks.txt: Too"),
                                  Not(HasSubstr("missing"))))));
}

SchedulerOptions Options(const configs::ExperimentConfig& config, const std::string& directory,
                         std::shared_ptr<RankGroup> ranks) {
  SchedulerOptions options;
  options.config = config;
  options.run_directory = directory;
  options.rehearse = false;
  options.quiet = true;
  options.ranks = std::move(ranks);
  return options;
}

std::vector<absl::Status> RunOnRanks(int ranks, const configs::ExperimentConfig& config,
                                     const std::string& directory) {
  return RunRanks(ranks, [&](std::shared_ptr<RankGroup> group) {
    return RunExperiment(Options(config, directory, std::move(group)));
  });
}

TEST(RankStepsTest, RanksRunAnExperimentAndASecondRunSkipsIt) {
  const std::string directory = FreshDirectory();
  ASSERT_THAT(RunOnRanks(2, TinyExperiment(), directory), Each(IsOk()));
  EXPECT_TRUE(fs::exists(directory + "/metrics.json"));
  const auto record = ParseStageRecord(ReadFile(directory + "/stages/1_rpn1/DONE").value());
  ASSERT_THAT(record, IsOk());
  EXPECT_EQ(record->processes, 2);
  // The key does not depend on the number of ranks.
  const auto before = fs::last_write_time(directory + "/stages/1_rpn1/DONE");
  ASSERT_THAT(RunOnRanks(1, TinyExperiment(), directory), Each(IsOk()));
  ASSERT_THAT(RunOnRanks(3, TinyExperiment(), directory), Each(IsOk()));
  EXPECT_EQ(fs::last_write_time(directory + "/stages/1_rpn1/DONE"), before);
}

TEST(RankStepsTest, AnErrorOfRankZeroBeforeTheFirstStageIsThatOfAll) {
  const std::string directory = FreshDirectory();
  ASSERT_THAT(WriteFileAtomically(directory + "/mine.txt", "not a run directory"), IsOk());
  const auto statuses = RunOnRanks(2, TinyExperiment(), directory);
  EXPECT_THAT(statuses,
              Each(StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("run directory"))));
  EXPECT_THAT(std::string(statuses[1].message()), ::testing::StartsWith("rank 0: "));
}

}  // namespace
}  // namespace rcnn::training
