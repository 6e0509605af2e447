#include "rcnn/training/trainer/trainer.h"

#include <ATen/ATen.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/module_parts.h"
#include "rcnn/training/testing/tiny_run.h"
#include "rcnn/training/testing/torn_dataset.h"
#include "rcnn/training/testing/trainer_run.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;
using detection::weights::StateDict;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::MetricNumbers;
using testing::Metrics;
using testing::Model;
using testing::ReadWithLog;
using testing::RunSetup;
using testing::Shapes;
using testing::Train;
using testing::WithLossScale;

TEST(TrainerTest, ResumedRunEqualsAnUninterruptedRun) {
  const std::string undisturbed = FreshDirectory("undisturbed");
  const auto expected = Train({.directory = undisturbed});
  ASSERT_THAT(expected, IsOk());
  const std::vector<std::string> lines = Metrics(undisturbed);
  // Iterations 3, 6, 9 and 10; validation at 4, 8 and 10.
  ASSERT_EQ(lines.size(), 7u);
  // 1: before any line; 3: with a line; 4, 8: validation is due; 10: the end.
  for (const int64_t stop : {1, 3, 4, 5, 8, 10}) {
    SCOPED_TRACE(stop);
    const std::string directory = FreshDirectory("resumed");
    const auto stopped = Train({.directory = directory, .stop_at = stop});
    ASSERT_THAT(stopped, StatusIs(absl::StatusCode::kCancelled));
    EXPECT_TRUE(std::filesystem::exists(absl::StrCat(directory, "/checkpoint-", stop)));
    const auto resumed = Train({.directory = directory});
    ASSERT_THAT(resumed, IsOk());
    EXPECT_THAT(Differences(*expected, *resumed), ElementsAre());
    EXPECT_EQ(Metrics(directory), lines);
  }
}

TEST(TrainerTest, AFlippedBitOfTheMetricsIsRestored) {
  const std::string directory = FreshDirectory("flipped"), path = directory + "/metrics.jsonl";
  ASSERT_THAT(Train({.directory = directory, .stop_at = 9}), ::testing::Not(IsOk()));
  const std::string intact = *ReadFile(path);
  std::string flipped = intact;
  flipped[flipped.find("loss") + 8] ^= 1;
  ASSERT_THAT(WriteFileAtomically(path, flipped), IsOk());
  ASSERT_THAT(Train({.directory = directory}), IsOk());
  EXPECT_EQ(ReadFile(path)->substr(0, intact.size()), intact);
}

// A killed program leaves lines after its last checkpoint, and half a line.
TEST(TrainerTest, LinesAfterTheCheckpointAreWrittenOnce) {
  const std::string undisturbed = FreshDirectory("undisturbed");
  ASSERT_THAT(Train({.directory = undisturbed}), IsOk());
  const std::string directory = FreshDirectory("killed");
  ASSERT_THAT(Train({.directory = directory, .stop_at = 9}), ::testing::Not(IsOk()));
  ASSERT_EQ(std::filesystem::remove_all(directory + "/checkpoint-9") > 0, true);
  std::ofstream(directory + "/metrics.jsonl", std::ios::app) << "{\"iteration\":9,\"lo";
  ASSERT_THAT(Train({.directory = directory}), IsOk());
  EXPECT_EQ(Metrics(directory), Metrics(undisturbed));
}

// The contents of all files below the directory.
std::map<std::string, std::string> Contents(const std::string& directory) {
  std::map<std::string, std::string> contents;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    const std::string path = entry.path().string();
    contents[path] = entry.is_directory() ? "" : *ReadFile(path);
  }
  return contents;
}

// As when the run directory was replaced, and another scheduler works in the new one.
TEST(TrainerTest, ChangesNothingOnceItMayNotWrite) {
  int calls = 0;
  const auto expected = Train({.directory = FreshDirectory("undisturbed"), .may_write = [&] {
                                 ++calls;
                                 return absl::OkStatus();
                               }});
  ASSERT_THAT(expected, IsOk());
  // Opening the log, seven lines, the first weights that are the best, three checkpoints.
  ASSERT_GE(calls, 1 + 7 + 1 + 3 * 3);
  for (int refused = 1; refused <= calls; ++refused) {
    SCOPED_TRACE(refused);
    const std::string directory = FreshDirectory("refused");
    std::map<std::string, std::string> before;
    int call = 0;
    const auto stopped = Train({.directory = directory, .may_write = [&] {
                                  if (++call < refused) return absl::OkStatus();
                                  if (call == refused) before = Contents(directory);
                                  return absl::FailedPreconditionError("it was replaced");
                                }});
    EXPECT_THAT(stopped, StatusIs(absl::StatusCode::kFailedPrecondition, "it was replaced"));
    EXPECT_EQ(call, refused);
    EXPECT_TRUE(Contents(directory) == before);
    if (refused % 4 != 0) continue;
    const auto resumed = Train({.directory = directory});
    ASSERT_THAT(resumed, IsOk());
    EXPECT_THAT(Differences(*expected, *resumed), ElementsAre());
  }
}

TEST(TrainerTest, ReportsADamagedCheckpointAndUsesThePreviousOne) {
  const auto expected = Train({.directory = FreshDirectory("undisturbed")});
  const std::string directory = FreshDirectory("damaged");
  ASSERT_THAT(Train({.directory = directory, .stop_at = 7}), ::testing::Not(IsOk()));
  const std::string file = directory + "/checkpoint-7/model.safetensors";
  std::string bytes = ReadFile(file).value();
  bytes[bytes.size() / 2] ^= 1;
  ASSERT_THAT(WriteFileAtomically(file, bytes), IsOk());
  std::vector<std::string> notices;
  const auto resumed = Train({.directory = directory, .notices = &notices});
  ASSERT_THAT(resumed, IsOk());
  EXPECT_THAT(notices, Contains(AllOf(HasSubstr("checkpoint 7"), HasSubstr("is damaged"))));
  EXPECT_THAT(notices, Contains(HasSubstr("resumes at iteration 6 of 10")));
  EXPECT_THAT(Differences(*expected, *resumed), ElementsAre());
}

// Four images are an update: of 12, three updates are made, and of 14 too, when the fourth one
// has been begun.
TEST(TrainerTest, NamesAnUnreadableImageAndResumesWithAnIntactOne) {
  const auto expected = Train({.directory = FreshDirectory("undisturbed")});
  for (const int readable : {0, 12, 14}) {
    SCOPED_TRACE(readable);
    const std::string directory = FreshDirectory("torn");
    const auto stopped = Train({.directory = directory,
                                .checkpoint_iterations = 1000,
                                .dataset = std::make_shared<TornDataset>(Shapes(), readable)});
    EXPECT_THAT(stopped, StatusIs(absl::StatusCode::kInvalidArgument,
                                  AllOf(HasSubstr("shapes-1-0000"), HasSubstr(".jpg: torn"),
                                        HasSubstr("of the same name and size"),
                                        HasSubstr("the same command"))));
    EXPECT_EQ(std::filesystem::exists(directory + "/checkpoint-3"), readable == 12);
    const auto resumed = Train({.directory = directory});
    ASSERT_THAT(resumed, IsOk());
    EXPECT_THAT(Differences(*expected, *resumed), ElementsAre());
  }
}

TEST(TrainerTest, LossesReadWithTheLogGiveTheSameRun) {
  const std::string expected = FreshDirectory("expected");
  const auto weights = Train({.directory = expected});
  ASSERT_THAT(weights, IsOk());
  const std::string directory = FreshDirectory("read_with_log");
  ASSERT_TRUE(absl::IsCancelled(
      Train({.directory = directory, .stop_at = 5, .losses = ReadWithLog}).status()));
  const auto found = Train({.directory = directory, .losses = ReadWithLog});
  ASSERT_THAT(found, IsOk());
  EXPECT_THAT(Differences(*weights, *found), ElementsAre());
  EXPECT_EQ(Metrics(directory), Metrics(expected));
}

TEST(TrainerTest, ResumedRunWithALossScaleEqualsAnUninterruptedRun) {
  const std::string undisturbed = FreshDirectory("undisturbed");
  const RunSetup setup = {.training = WithLossScale(), .losses = ReadWithLog};
  RunSetup whole = setup, stopped = setup, resumed = setup;
  whole.directory = undisturbed;
  stopped.directory = resumed.directory = FreshDirectory("resumed");
  stopped.stop_at = 5;
  whole.model = Model();
  stopped.model = Model();
  resumed.model = Model();
  const auto expected = Train(whole);
  ASSERT_THAT(expected, IsOk());
  ASSERT_TRUE(absl::IsCancelled(Train(stopped).status()));
  const auto found = Train(resumed);
  ASSERT_THAT(found, IsOk());
  EXPECT_THAT(Differences(*expected, *found), ElementsAre());
  EXPECT_EQ(Metrics(resumed.directory), Metrics(undisturbed));
  EXPECT_EQ(MetricNumbers(undisturbed).front().at("loss_scale"), 65536);
}

// The mean over a batch of a value that differs per image.
LossFunction MeanOfImages(const std::shared_ptr<FasterRcnn>& model, std::vector<int64_t>* images) {
  return [=](const data::Batch& batch, const at::Generator&) {
    for (const data::BatchImage& entry : batch.entries) images->push_back(entry.index);
    return StepLosses{model->Features(batch.images).levels[0].square().mean(), {}, {}};
  };
}

TEST(TrainerTest, SeveralBatchesPerUpdateAreOneLargerBatch) {
  std::vector<int64_t> images[2];
  StateDict weights[2];
  for (int i = 0; i < 2; ++i) {
    const std::string training =
        absl::StrCat(i == 0 ? "solver { batches_per_update: 4 " : "solver { ",
                     "sgd { momentum: 0.9 } learning_rate: 0.01 iterations: 2 } ",
                     "batching { group_by_aspect: false images_per_batch: ", i == 0 ? 1 : 4, " }");
    auto result =
        Train({.directory = FreshDirectory(), .training = training, .losses = [&](const auto& m) {
                 return MeanOfImages(m, &images[i]);
               }});
    ASSERT_THAT(result, IsOk());
    weights[i] = *std::move(result);
  }
  EXPECT_EQ(images[0], images[1]);
  const auto before = Model()->StateToSave();
  for (const auto& [name, start] : before) {
    const at::Tensor moved = *weights[0].Find(name) - start, same = *weights[1].Find(name) - start;
    EXPECT_TRUE(moved.allclose(same, 1e-3, 1e-7)) << name;
    if (name == "backbone.conv1.weight") {
      EXPECT_GT(moved.abs().max().item<double>(), 1e-6);
    }
  }
}

TEST(TrainerTest, FrozenPartsStayAndTheOthersMove) {
  RunSetup setup = {.directory = FreshDirectory()};
  detection::Freeze(*detection::FindPart(*setup.model, "backbone"));
  const auto trained = Train(setup);
  ASSERT_THAT(trained, IsOk());
  for (const auto& [name, before] : Model()->StateToSave()) {
    EXPECT_EQ(at::equal(before, *trained->Find(name)), absl::StartsWith(name, "backbone.")) << name;
  }
}

TrainerOptions ThreeIterations() {
  TrainerOptions options;
  options.stage = "joint";
  options.training = configs::ParseTextOrDie<configs::TrainingConfig>(
      "solver { sgd {} learning_rate: 0.01 iterations: 3 batches_per_update: 2 }");
  options.directory = options.events_directory = FreshDirectory();
  return options;
}

absl::Status RunTrainer(const TrainerOptions& options) {
  const auto model = Model();
  Trainer trainer(options, model, MakeJointLoss(model));
  data::LoaderOptions loader;
  loader.batches.batching = options.training.batching();
  return trainer.Run(Shapes(), loader).status();
}

TEST(TrainerTest, ReportsProgressOncePerIteration) {
  std::vector<int64_t> done;
  TrainerOptions options = ThreeIterations();
  options.progress = [&](int64_t iteration, const std::string& note) {
    done.push_back(iteration);
    EXPECT_THAT(note, HasSubstr("loss "));
  };
  ASSERT_THAT(RunTrainer(options), IsOk());
  EXPECT_THAT(done, ElementsAre(1, 2, 3));
}

TEST(TrainerTest, ReportsBeforeItsFirstIterationWhatEarlierRunsHaveDone) {
  std::vector<std::string> reports;
  TrainerOptions options = ThreeIterations();
  options.started = [&](int64_t done) { reports.push_back(absl::StrCat("started ", done)); };
  options.progress = [&](int64_t done, const std::string&) {
    reports.push_back(absl::StrCat(done));
    if (reports.size() == 3) RequestShutdown(15);
  };
  ASSERT_THAT(RunTrainer(options), StatusIs(absl::StatusCode::kCancelled));
  ResetShutdownForTesting();
  ASSERT_THAT(RunTrainer(options), IsOk());
  EXPECT_THAT(reports, ElementsAre("started 0", "1", "2", "started 2", "3"));
}

}  // namespace
}  // namespace rcnn::training
