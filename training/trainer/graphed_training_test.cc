// Trainings whose network is launched as graphs (detection/training_network.h), here of the CPU:
// the weights that they have without graphs, bit for bit, whatever else the trainer does, and what
// happens if memory runs out.

#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/testing/fake_graphs.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/data/testing/fake_dataset.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/training_network.h"
#include "rcnn/training/testing/tiny_run.h"
#include "rcnn/training/testing/trainer_run.h"
#include "rcnn/training/trainer/losses.h"
#include "rcnn/training/trainer/trainer.h"

namespace rcnn::training {
namespace {

using data::testing::FakeDataset;
using data::testing::FakeImage;
using data::testing::MakeObject;
using detection::FasterRcnn;
using detection::weights::StateDict;
using rcnn::testing::FakeGraphs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Model;

FakeImage Landscape() { return {64, 48, {MakeObject({8, 8, 40, 36}, 1)}}; }
FakeImage Portrait() { return {48, 64, {MakeObject({10, 20, 36, 60}, 2)}}; }

constexpr char kOneBatch[] =
    "solver { sgd { momentum: 0.9 } learning_rate: 0.01 iterations: 12 }"
    "batching { images_per_batch: 2 }";
constexpr char kTwoBatches[] =
    "solver { adamw {} learning_rate: 0.01 iterations: 12 batches_per_update: 2"
    "         max_gradient_norm: 1 }"
    "batching { images_per_batch: 2 } average_decay: 0.9 ";

struct RunSetup {
  int64_t max_graphs = 0;
  std::string training = kOneBatch;
  std::vector<FakeImage> images = std::vector<FakeImage>(8, Landscape());
  std::string directory = FreshDirectory();
  int64_t stop_at = -1;  // an iteration at which a shutdown is asked for
  // Called after an iteration, and after the losses of a batch, before its backward pass. Both are
  // counted from 1.
  std::function<void(int64_t iteration)> after_iteration = [](int64_t) {};
  std::function<void(int64_t batch)> after_losses = [](int64_t) {};
};

LossFunction MakeLosses(const RunSetup& setup, const std::shared_ptr<FasterRcnn>& model,
                        std::shared_ptr<detection::TrainingNetwork> network) {
  const LossFunction losses = MakeJointLoss(model, Sampling::kFixedSize, std::move(network));
  const auto batches = std::make_shared<int64_t>(0);
  return [=, after = setup.after_losses](const data::Batch& batch, const at::Generator& generator) {
    StepLosses step = losses(batch, generator);
    after(++*batches);
    return step;
  };
}

absl::StatusOr<StateDict> Train(const RunSetup& setup) {
  const auto model = Model();
  std::shared_ptr<detection::TrainingNetwork> network;
  TrainerOptions options;
  if (setup.max_graphs > 0) {
    network = std::make_shared<detection::TrainingNetwork>(model, setup.max_graphs);
    options.free_memory = [network] { return network->FreeGraphs(); };
  }
  options.stage = "joint";
  options.seed = 4;
  options.training = configs::ParseTextOrDie<configs::TrainingConfig>(setup.training);
  options.resources.set_checkpoint_iterations(3);
  options.directory = options.events_directory = setup.directory;
  options.key = "key";
  options.progress = [&](int64_t done, const std::string&) {
    setup.after_iteration(done);
    if (done == setup.stop_at) RequestShutdown(15);
  };
  data::LoaderOptions loader;
  loader.batches.transform.set_flip(configs::TransformConfig::AT_RANDOM);
  loader.batches.batching = options.training.batching();
  loader.batches.seed = options.seed;
  loader.batches.stage = options.stage;
  loader.resources.set_workers(0);
  Trainer trainer(options, model, MakeLosses(setup, model, network));
  auto weights = trainer.Run(std::make_shared<FakeDataset>(setup.images), loader);
  ResetShutdownForTesting();
  return weights;
}

// The weights of a training without graphs.
StateDict Expected(RunSetup setup) {
  setup.max_graphs = 0;
  setup.directory = FreshDirectory("expected");
  auto weights = Train(setup);
  EXPECT_THAT(weights, IsOk());
  return weights.ok() ? *std::move(weights) : StateDict();
}

// Batches of several sizes.
std::vector<FakeImage> MixedImages() {
  return {Landscape(), Portrait(),  Landscape(), Landscape(),
          Portrait(),  Landscape(), Landscape(), Portrait()};
}

class GraphedTrainingTest : public ::testing::TestWithParam<std::string> {
 protected:
  FakeGraphs graphs_;
};

TEST_P(GraphedTrainingTest, WeightsHaveTheBitsThatTheyHaveWithoutGraphs) {
  const RunSetup setup = {.max_graphs = 3, .training = GetParam(), .images = MixedImages()};
  const StateDict expected = Expected(setup);
  EXPECT_EQ(graphs_.recorded(), 0);
  const auto found = Train(setup);
  ASSERT_THAT(found, IsOk());
  EXPECT_THAT(Differences(expected, *found), IsEmpty());
  EXPECT_GE(graphs_.recorded(), 2);
  EXPECT_GE(graphs_.replayed(), 2 * 4);
}

TEST_P(GraphedTrainingTest, AResumedTrainingHasTheSameWeights) {
  RunSetup setup = {.max_graphs = 1, .training = GetParam()};
  const StateDict expected = Expected(setup);
  setup.stop_at = 5;
  ASSERT_THAT(Train(setup), StatusIs(absl::StatusCode::kCancelled));
  setup.stop_at = -1;
  const auto found = Train(setup);
  ASSERT_THAT(found, IsOk());
  EXPECT_THAT(Differences(expected, *found), IsEmpty());
  EXPECT_EQ(graphs_.recorded(), 2);
}

// The last one has a loss scale.
INSTANTIATE_TEST_SUITE_P(Trainings, GraphedTrainingTest,
                         ::testing::Values(std::string(kOneBatch), std::string(kTwoBatches),
                                           std::string(kTwoBatches) + "precision: FLOAT16"));

class ExhaustedTrainingTest : public ::testing::Test {
 protected:
  // Trains with graphs on images of one size, of which the second batch records them.
  void ExpectSameWeights(const RunSetup& setup) {
    const auto found = Train(setup);
    ASSERT_THAT(found, IsOk());
    RunSetup usual = setup;
    usual.after_iteration = usual.after_losses = [](int64_t) {};
    EXPECT_THAT(Differences(Expected(usual), *found), IsEmpty());
  }

  FakeGraphs graphs_;
};

TEST_F(ExhaustedTrainingTest, GraphsGiveTheirMemoryBackInAForwardPass) {
  RunSetup setup = {.max_graphs = 1};
  setup.after_iteration = [&](int64_t iteration) {
    if (iteration == 5) graphs_.Exhaust();
  };
  ExpectSameWeights(setup);
  EXPECT_EQ(graphs_.recorded(), 1);
  EXPECT_EQ(graphs_.replayed(), 2 * 4);
}

// The head has its gradients by then.
TEST_F(ExhaustedTrainingTest, GraphsGiveTheirMemoryBackInABackwardPass) {
  RunSetup setup = {.max_graphs = 1};
  setup.after_losses = [&](int64_t batch) {
    if (batch == 6) graphs_.Exhaust();
  };
  ExpectSameWeights(setup);
  EXPECT_EQ(graphs_.recorded(), 1);
  EXPECT_EQ(graphs_.replayed(), 2 * 4 + 1);
}

// The gradients of the first one could be lost.
TEST_F(ExhaustedTrainingTest, InALaterBatchOfAnUpdateItIsAnError) {
  RunSetup setup = {.max_graphs = 1, .training = kTwoBatches};
  setup.after_losses = [&](int64_t batch) {
    if (batch == 6) graphs_.Exhaust();
  };
  EXPECT_THAT(Train(setup), StatusIs(absl::StatusCode::kResourceExhausted,
                                     AllOf(HasSubstr("on cpu for iteration 3 on the images"),
                                           HasSubstr("CUDA out of memory"))));
}

// Without graphs there is nothing to give back.
TEST_F(ExhaustedTrainingTest, WhereTheUsualWayLacksMemoryItIsAnError) {
  RunSetup setup = {.max_graphs = 1};
  setup.after_losses = [](int64_t batch) {
    if (batch >= 4) throw std::bad_alloc();
  };
  EXPECT_THAT(Train(setup), StatusIs(absl::StatusCode::kResourceExhausted,
                                     HasSubstr("on cpu for iteration 4 on the images")));
}

TEST_F(ExhaustedTrainingTest, WhatCannotBeRecordedIsComputedAsUsual) {
  graphs_.Fail();
  ExpectSameWeights({.max_graphs = 1});
  EXPECT_EQ(graphs_.replayed(), 0);
}

}  // namespace
}  // namespace rcnn::training
