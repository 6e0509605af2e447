#include "rcnn/training/scheduler/rehearsal.h"

#include <ATen/Parallel.h>

#include <filesystem>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/testing/fake_dataset.h"
#include "rcnn/training/testing/tiny_run.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;
using data::testing::FakeDataset;
using data::testing::FakeImage;
using data::testing::MakeObject;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::UnorderedElementsAre;

std::vector<std::string> FilesIn(const std::string& directory) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  return files;
}

TEST(RehearsalTest, RunsAllStagesAndLeavesNothing) {
  const std::string directory = FreshDirectory();
  // An interval that never passes in this test.
  const ExperimentRun run = OpenTinyRun(
      TinyExperiment({"stages.rpn1.train_rpn.training.solver.iterations=1000000",
                      "data.train.shapes.num_images=5000", "data.test.shapes.num_images=5000"}),
      directory);
  const auto seconds = Rehearse(run, directory + "/rehearsal");
  ASSERT_THAT(seconds, IsOk());
  EXPECT_THAT(*seconds,
              UnorderedElementsAre(Key("rpn1"), Key("proposals1"), Key("fast1"), Key("rpn2"),
                                   Key("proposals2"), Key("fast2"), Key("final")));
  for (const auto& [stage, time] : *seconds) {
    EXPECT_GT(time, 0) << stage;
    EXPECT_LT(time, 10) << stage;
  }
  EXPECT_FALSE(fs::exists(directory + "/rehearsal"));
  EXPECT_THAT(FilesIn(directory), IsEmpty());
}

// Each stage is resumed once, those with packed convolutions too.
TEST(RehearsalTest, SupportsFrozenBatchNorms) {
  const std::string directory = FreshDirectory();
  const ExperimentRun run = OpenTinyRun(
      TinyExperiment({"model.backbone.resnet={ depth: RESNET_18 norm { batch_norm {} } }"}),
      directory);
  EXPECT_THAT(Rehearse(run, directory + "/rehearsal"), IsOk());
}

// Time is 2 + 0.01 for each of the pixels.
TEST(SecondsAtMeanPixelsTest, CorrectsForTheSizesThatWereMeasured) {
  std::vector<double> pixels, seconds;
  for (const double size : {64, 81, 100, 121, 156, 156, 156, 156}) {
    pixels.push_back(size);
    seconds.push_back(2 + 0.01 * size);
  }
  EXPECT_NEAR(SecondsAtMeanPixels(seconds, pixels, 104), 3.04, 1e-9);
  // Noise must neither reverse the effect of size nor exaggerate it.
  EXPECT_NEAR(SecondsAtMeanPixels({9, 8, 7, 6, 5, 4, 3, 2}, {1, 2, 3, 4, 5, 6, 7, 8}, 9), 5.5,
              1e-9);
  EXPECT_NEAR(SecondsAtMeanPixels({1, 1, 1, 1, 3, 3, 3, 3}, {9, 9, 9, 9, 11, 11, 11, 11}, 20), 4,
              1e-9);
  // Of few, in proportion; of equal sizes too.
  EXPECT_NEAR(SecondsAtMeanPixels({2, 4}, {100, 100}, 150), 4.5, 1e-9);
  EXPECT_NEAR(SecondsAtMeanPixels({2}, {100}, 50), 1, 1e-9);
}

TEST(RehearsalTest, ReportsTheStageThatStarts) {
  const std::string directory = FreshDirectory();
  const ExperimentRun run = OpenTinyRun(TinyExperiment(), directory);
  std::vector<std::string> begun;
  ASSERT_THAT(Rehearse(run, directory + "/rehearsal",
                       [&](const std::string& stage) { begun.push_back(stage); }),
              IsOk());
  EXPECT_THAT(begun,
              ElementsAre("rpn1", "proposals1", "fast1", "rpn2", "proposals2", "fast2", "final"));
}

// It is done and comes from a GPU, otherwise the scheduler would have refused it.
TEST(RehearsalTest, AStageInAPrecisionThatTheDeviceLacksIsRehearsedToo) {
  const std::string directory = FreshDirectory();
  const ExperimentRun run =
      OpenTinyRun(TinyExperiment({"stages.rpn1.train_rpn.training.precision=FLOAT16"}), directory);
  EXPECT_THAT(Rehearse(run, directory + "/rehearsal"), IsOk());
}

// With so few iterations there is nothing to measure.
TEST(RehearsalTest, AStageOfOneIterationIsRehearsedToo) {
  const std::string directory = FreshDirectory();
  const ExperimentRun run = OpenTinyRun(
      TinyExperiment({"stages.rpn1.train_rpn.training.solver.iterations=1"}), directory);
  const auto seconds = Rehearse(run, directory + "/rehearsal");
  ASSERT_THAT(seconds, IsOk());
  EXPECT_EQ(seconds->at("rpn1"), 0);
  EXPECT_GT(seconds->at("fast1"), 0);
}

// Each training stage is interrupted once, and resumes with the next iteration.
TEST(RehearsalTest, TrainingResumesFromItsCheckpoint) {
  const std::string directory = FreshDirectory();
  ExperimentRun run = OpenTinyRun(
      TinyExperiment({"stages.rpn1.train_rpn.training.solver.iterations=1000"}), directory);
  std::vector<int64_t> done;
  run.progress = [&](int64_t iteration, const std::string&) { done.push_back(iteration); };
  run.config.mutable_stages()->DeleteSubrange(1, run.config.stages_size() - 1);
  ASSERT_THAT(Rehearse(run, directory + "/rehearsal"), IsOk());
  ASSERT_GT(done.size(), 4u);
  for (size_t i = 0; i < done.size(); ++i) EXPECT_EQ(done[i], static_cast<int64_t>(i) + 1);
}

// All four images are computed at a time, by four threads, and take 40 ms or more.
TEST(RehearsalTest, ImagesThatAreComputedAtATimeTakeTheirTime) {
  const int threads = at::get_num_threads();
  at::set_num_threads(4);
  const std::string directory = FreshDirectory();
  ExperimentRun run = OpenTinyRun(TinyExperiment(), directory);
  run.started = [](int64_t) { absl::SleepFor(absl::Milliseconds(40)); };
  run.config.mutable_stages()->DeleteSubrange(2, run.config.stages_size() - 2);
  const auto seconds = Rehearse(run, directory + "/rehearsal");
  at::set_num_threads(threads);
  ASSERT_THAT(seconds, IsOk());
  EXPECT_GE(seconds->at("proposals1"), 0.01);
}

TEST(RehearsalTest, NamesTheFailingStageAndLeavesNothing) {
  const std::string directory = FreshDirectory();
  const ExperimentRun run = OpenTinyRun(
      TinyExperiment({"stages.fast2.init=[{ stage: 'fast1' part: ['backbone', 'head.fc9'] }]"}),
      directory);
  const auto seconds = Rehearse(run, directory + "/rehearsal");
  EXPECT_THAT(seconds,
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("rehearsal of stage fast2"), HasSubstr("head.fc9"))));
  EXPECT_THAT(FilesIn(directory), IsEmpty());
}

TEST(RehearsalTest, IgnoresTheRemainsOfAKilledRehearsal) {
  const std::string directory = FreshDirectory();
  const ExperimentRun run = OpenTinyRun(TinyExperiment(), directory);
  fs::create_directories(directory + "/rehearsal/rpn1/checkpoint-1");
  EXPECT_THAT(Rehearse(run, directory + "/rehearsal"), IsOk());
}

// The system's link to the current directory, which not even root can delete.
TEST(RehearsalTest, ALinkThatCannotBeDeletedIsNotWrittenThrough) {
  const std::string directory = FreshDirectory(), elsewhere = directory + "/elsewhere";
  const ExperimentRun run = OpenTinyRun(TinyExperiment(), directory);
  ASSERT_TRUE(fs::create_directories(elsewhere));
  const fs::path before = fs::current_path();
  fs::current_path(elsewhere);
  EXPECT_THAT(Rehearse(run, "/proc/self/cwd"),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("delete /proc/self/cwd")));
  fs::current_path(before);
  EXPECT_TRUE(fs::is_empty(elsewhere));
}

// The only image with an object to learn from is the last.
TEST(RehearsalTest, UsesImagesWithObjects) {
  const std::string directory = FreshDirectory();
  ExperimentRun run = OpenTinyRun(TinyExperiment(), directory);
  data::Object crowd = MakeObject({10, 10, 40, 40}, 1), difficult = crowd;
  crowd.crowd = difficult.difficult = true;
  std::vector<FakeImage> images(20, FakeImage{64, 48, {crowd, difficult}});
  images.push_back({64, 48, {MakeObject({10, 10, 40, 40}, 1)}});
  run.datasets[configs::TRAIN] = std::make_shared<FakeDataset>(images);
  run.config.mutable_stages(0)->mutable_train_rpn()->set_leave_out_empty_images(true);
  run.config.mutable_stages(0)
      ->mutable_train_rpn()
      ->mutable_training()
      ->mutable_batching()
      ->set_images_per_batch(1);
  const auto seconds = Rehearse(run, directory + "/rehearsal");
  EXPECT_THAT(seconds, IsOk());
}

TEST(RehearsalTest, StopsOnShutdown) {
  const std::string directory = FreshDirectory();
  ExperimentRun run = OpenTinyRun(TinyExperiment(), directory);
  run.progress = [](int64_t, const std::string&) { RequestShutdown(15); };
  EXPECT_THAT(Rehearse(run, directory + "/rehearsal"), StatusIs(absl::StatusCode::kCancelled));
  ResetShutdownForTesting();
  EXPECT_THAT(FilesIn(directory), IsEmpty());
}

}  // namespace
}  // namespace rcnn::training
