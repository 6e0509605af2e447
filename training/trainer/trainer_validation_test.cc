// Which weights a training keeps by its validations, and when it ends early.

#include <ATen/ATen.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/testing/tiny_run.h"
#include "rcnn/training/testing/trainer_run.h"
#include "rcnn/training/trainer/trainer.h"

namespace rcnn::training {
namespace {

using detection::weights::StateDict;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::RunSetup;
using testing::Train;

// Each way to lose them after a validation at iteration 4, and the checkpoint that
// is still valid.
TEST(TrainerTest, TornBestWeightsAreRecomputed) {
  const auto expected = Train({.directory = FreshDirectory("undisturbed")});
  const std::vector<std::pair<std::function<void(const std::string&)>, int>> harms = {
      {[](const std::string& best) { std::filesystem::resize_file(best, 100); }, 3},
      {[](const std::string& best) { ASSERT_THAT(WriteFileAtomically(best, "torn"), IsOk()); }, 5},
      {[](const std::string& best) { std::filesystem::remove(best); }, 5}};
  for (const auto& [harm, good] : harms) {
    const std::string directory = FreshDirectory("torn");
    ASSERT_THAT(Train({.directory = directory, .stop_at = 5}), ::testing::Not(IsOk()));
    const std::string best = directory + "/best.safetensors";
    ASSERT_TRUE(std::filesystem::exists(best));
    harm(best);
    std::vector<std::string> notices;
    const auto resumed = Train({.directory = directory, .notices = &notices});
    ASSERT_THAT(resumed, IsOk());
    EXPECT_THAT(notices, Contains(absl::StrCat("resumes at iteration ", good, " of 10")));
    if (good == 3) {
      EXPECT_THAT(notices, Contains(AllOf(HasSubstr("checkpoint 5 cannot be used"),
                                          HasSubstr("best.safetensors is damaged"))));
    }
    EXPECT_THAT(Differences(*expected, *resumed), ElementsAre());
  }
}

// A later checkpoint does not accept them.
TEST(TrainerTest, BestWeightsTornDuringTheRunStopIt) {
  const std::string directory = FreshDirectory();
  const auto expected = Train({.directory = FreshDirectory("undisturbed")});
  RunSetup setup = {.directory = directory, .checkpoint_iterations = 1};
  int validations = 0;
  setup.validate = [&](const StateDict&) -> absl::StatusOr<NamedNumbers> {
    if (++validations == 2) std::filesystem::resize_file(directory + "/best.safetensors", 100);
    return NamedNumbers{{"ap", -validations}};
  };
  const absl::Status status = Train(setup).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("best.safetensors is damaged")));
  const auto again = Train({.directory = directory});
  ASSERT_THAT(again, IsOk());
  EXPECT_THAT(Differences(*expected, *again), ElementsAre());
}

TEST(TrainerTest, BestWeightsTornAtTheEndAreAnError) {
  const std::string directory = FreshDirectory();
  int validations = 0;
  RunSetup setup = {.directory = directory};
  setup.validate = [&](const StateDict&) -> absl::StatusOr<NamedNumbers> {
    // Before the last validation, which is not the best.
    if (++validations == 3) std::filesystem::resize_file(directory + "/best.safetensors", 100);
    return NamedNumbers{{"ap", -validations}};
  };
  const auto result = Train(setup);
  EXPECT_THAT(result,
              StatusIs(absl::StatusCode::kDataLoss, AllOf(HasSubstr("best.safetensors is damaged"),
                                                          HasSubstr("the same command"))));
}

TEST(TrainerTest, KeepsTheWeightsOfTheBestValidation) {
  std::vector<StateDict> seen;
  // Best in the middle; NaN is never the best.
  const std::vector<double> values = {NAN, 0.5, 0.4};
  RunSetup setup = {.directory = FreshDirectory()};
  setup.validate = [&](const StateDict& state) -> absl::StatusOr<NamedNumbers> {
    seen.push_back(state);
    return NamedNumbers{{"ap", values[seen.size() - 1]}};
  };
  const auto kept = Train(setup);
  ASSERT_THAT(kept, IsOk());
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_THAT(Differences(*kept, seen[1]), ElementsAre());
  EXPECT_FALSE(Differences(*kept, seen[2]).empty());
}

TEST(TrainerTest, WithoutAnyFiniteValidationTheLastWeightsAreKept) {
  RunSetup setup = {.directory = FreshDirectory()};
  StateDict last;
  setup.validate = [&](const StateDict& state) -> absl::StatusOr<NamedNumbers> {
    last = state;
    return NamedNumbers{{"ap", NAN}};
  };
  const auto kept = Train(setup);
  ASSERT_THAT(kept, IsOk());
  EXPECT_THAT(Differences(*kept, last), ElementsAre());
}

TEST(TrainerTest, ReturnsAnErrorOfValidation) {
  RunSetup setup = {.directory = FreshDirectory()};
  setup.validate = [](const StateDict&) { return absl::NotFoundError("no image"); };
  EXPECT_THAT(Train(setup), StatusIs(absl::StatusCode::kNotFound,
                                     AllOf(HasSubstr("validation"), HasSubstr("no image"))));
}

// Validation after 4, 8, 12, ... of 40 iterations; the best is that after 8.
RunSetup WithPatience(const std::string& directory, std::vector<int64_t>* validated) {
  RunSetup setup = {.directory = directory};
  setup.training =
      "solver { adamw {} learning_rate: 0.01 iterations: 40 }"
      "batching { images_per_batch: 2 } average_decay: 0.9 "
      "validation { every: 4 keep_best: true patience: 2 }";
  setup.validate = [=](const StateDict& state) -> absl::StatusOr<NamedNumbers> {
    if (ShutdownRequested()) return absl::CancelledError("stopped");
    validated->push_back(static_cast<int64_t>(validated->size()));
    const double weight = state.Find("head.fc6.weight")->flatten()[0].item<double>();
    // Falls with the number of validations of this directory.
    std::ifstream lines(directory + "/metrics.jsonl");
    int64_t before = 0;
    for (std::string line; std::getline(lines, line);) before += line.find("ap") != line.npos;
    return NamedNumbers{{"ap", before == 0 ? 0.1 : 1.0 / static_cast<double>(before)},
                        {"weight", weight}};
  };
  return setup;
}

TEST(TrainerTest, EndsEarlyWithoutBetterValidations) {
  std::vector<int64_t> validated;
  std::vector<std::string> notices;
  RunSetup setup = WithPatience(FreshDirectory(), &validated);
  setup.notices = &notices;
  const auto expected = Train(setup);
  ASSERT_THAT(expected, IsOk());
  EXPECT_EQ(validated.size(), 4u);
  EXPECT_THAT(notices, ::testing::Contains(HasSubstr("stops early at iteration 16 of 40")));
  // A run that was interrupted ends there too, with the same weights.
  for (const int64_t stop : {7, 14, 16}) {
    const std::string directory = FreshDirectory("resumed");
    RunSetup again = WithPatience(directory, &validated);
    again.stop_at = stop;
    ASSERT_THAT(Train(again), StatusIs(absl::StatusCode::kCancelled)) << stop;
    const auto resumed = Train(WithPatience(directory, &validated));
    ASSERT_THAT(resumed, IsOk());
    EXPECT_THAT(Differences(*expected, *resumed), ElementsAre()) << stop;
  }
}

}  // namespace
}  // namespace rcnn::training
