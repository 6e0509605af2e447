// Several ranks, as threads of this process, train what one process trains.

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/loader/loader.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/weights/import.h"
#include "rcnn/detection/weights/known_name_maps.h"
#include "rcnn/detection/weights/module_state.h"
#include "rcnn/training/testing/device_libraries.h"
#include "rcnn/training/testing/run_ranks.h"
#include "rcnn/training/testing/tiny_run.h"
#include "rcnn/training/testing/torn_dataset.h"
#include "rcnn/training/testing/trainer_run.h"
#include "rcnn/training/trainer/batch_targets.h"
#include "rcnn/training/trainer/trainer.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;
using detection::weights::StateDict;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::MetricNumbers;
using testing::Shapes;

constexpr int64_t kImages = 12;

std::shared_ptr<FasterRcnn> Model(const std::string& parts) {
  auto model = FasterRcnn::Create(configs::ParseTextOrDie<configs::ModelConfig>(
                                      "backbone { tiny { channels: 8 } }" + parts),
                                  2)
                   .value();
  detection::ResetParameters(*model, MakeGenerator({7, "trainer_ranks_test", 0, "weights"}));
  model->train();
  return model;
}

constexpr char kRpn[] =
    "rpn { anchors { size_px: [16, 32] aspect_ratio: 1 } channels: 16"
    "      train_proposals { before_nms: 50 after_nms: 10 } }";
constexpr char kJoint[] =
    "rpn { anchors { size_px: [16, 32] aspect_ratio: 1 } channels: 16"
    "      train_proposals { before_nms: 50 after_nms: 10 } }"
    "head { fc { fc_channels: [16] dropout: 0.5 } targets { rois_per_image: 16 } }";

// Its proposals are made from the ground truth.
constexpr char kFast[] =
    "head { fc { fc_channels: [16] dropout: 0.5 } targets { rois_per_image: 16 } }";

struct RunSetup {
  std::string model = kRpn;
  int batches = 4;
  int images = 2;
  int iterations = 5;
  std::string solver = "adamw {}";
  std::string transform = "flip: AT_RANDOM";
  std::string directory = {};
  int64_t checkpoint_iterations = 1000;
  int64_t stop_at = -1;
  // Changes the loss of a rank.
  std::function<void(int rank, const data::Batch&, StepLosses&)> change = nullptr;
  std::shared_ptr<const data::Dataset> dataset = Shapes(kImages);
  // Of the ranks other than 0; by default the same.
  std::shared_ptr<const data::Dataset> others_dataset = nullptr;
  // The CPU as a device, on which sums only begin (gradient_buckets.h).
  bool on_device = false;
  Sampling sampling = Sampling::kOfDevice;
};

TrainerOptions MakeOptions(const RunSetup& setup) {
  TrainerOptions options;
  options.stage = "stage";
  options.seed = 4;
  options.training = configs::ParseTextOrDie<configs::TrainingConfig>(
      absl::StrCat("solver { ", setup.solver, " learning_rate: 0.01 iterations: ", setup.iterations,
                   " batches_per_update: ", setup.batches,
                   " } batching { images_per_batch: ", setup.images, " } average_decay: 0.9"));
  options.resources.set_checkpoint_iterations(setup.checkpoint_iterations);
  options.resources.set_log_every(2);
  options.directory = options.events_directory = setup.directory;
  options.key = "key";
  return options;
}

// Of the head, with boxes near and far from each object as proposals.
LossFunction MakeHeadLoss(const std::shared_ptr<FasterRcnn>& model, Sampling sampling) {
  return [losses = MakeFastRcnnLoss(model, nullptr, sampling)](data::Batch batch,
                                                               const at::Generator& generator) {
    const at::Tensor others = at::tensor({0.f, 0.f, 20.f, 12.f, 30.f, 4.f, 60.f, 40.f});
    for (data::BatchImage& entry : batch.entries) {
      entry.proposals =
          at::cat({entry.boxes, entry.boxes + 2, entry.boxes + 9, others.view({2, 4})});
    }
    return losses(batch, generator);
  };
}

LossFunction MakeLosses(const RunSetup& setup, const TrainerOptions& options,
                        const std::shared_ptr<FasterRcnn>& model) {
  LossFunction losses;
  if (setup.model == kRpn) {
    losses = MakeRpnLoss(model, nullptr, setup.sampling);
  } else if (setup.model == kFast) {
    losses = MakeHeadLoss(model, setup.sampling);
  } else if (options.exchange != nullptr) {
    losses = MakeSharedJointLoss(model, options.exchange, setup.sampling);
  } else {
    losses = MakeJointLoss(model, setup.sampling);
  }
  if (setup.change == nullptr) return losses;
  const int rank = options.ranks == nullptr ? 0 : options.ranks->rank();
  return [=](const data::Batch& batch, const at::Generator& generator) {
    StepLosses step = losses(batch, generator);
    setup.change(rank, batch, step);
    return step;
  };
}

// One rank's training; keeps the weights of rank 0.
absl::Status TrainRank(const RunSetup& setup, std::shared_ptr<RankGroup> ranks, StateDict& weights,
                       std::vector<std::string>& notices) {
  TrainerOptions options = MakeOptions(setup);
  const bool is_first = ranks == nullptr || ranks->rank() == 0;
  if (ranks != nullptr && setup.on_device) {
    RCNN_RETURN_IF_ERROR(ranks->ConnectDevice(c10::Device(c10::DeviceType::CPU)));
  }
  if (ranks != nullptr && setup.model == kJoint && HasParts(ranks->size(), setup.batches)) {
    options.exchange = std::make_shared<ProposalExchange>(
        ranks, ShareOfUpdate(ranks->rank(), ranks->size(), setup.batches));
  }
  options.ranks = std::move(ranks);
  if (is_first) {
    options.progress = [&](int64_t done, const std::string&) {
      if (done == setup.stop_at) RequestShutdown(15);
    };
    options.notice = [&](const std::string& text) { notices.push_back(text); };
  }
  const auto model = Model(setup.model);
  data::LoaderOptions loader;
  loader.batches.transform = configs::ParseTextOrDie<configs::TransformConfig>(setup.transform);
  loader.batches.batching = options.training.batching();
  loader.batches.seed = options.seed;
  loader.batches.stage = options.stage;
  loader.resources.set_workers(0);
  const LossFunction losses = MakeLosses(setup, options, model);
  Trainer trainer(std::move(options), model, losses);
  const bool is_other = !is_first && setup.others_dataset != nullptr;
  absl::StatusOr<StateDict> result =
      trainer.Run(is_other ? setup.others_dataset : setup.dataset, loader);
  if (is_first && result.ok()) weights = *std::move(result);
  return result.status();
}

struct Outcome {
  std::vector<absl::Status> statuses;
  StateDict weights;
  std::vector<std::string> notices;
};

Outcome Train(int ranks, RunSetup setup) {
  if (setup.directory.empty()) setup.directory = FreshDirectory(absl::StrCat("of_", ranks));
  Outcome outcome;
  outcome.statuses = RunRanks(ranks, [&](std::shared_ptr<RankGroup> group) {
    return TrainRank(setup, std::move(group), outcome.weights, outcome.notices);
  });
  ResetShutdownForTesting();
  return outcome;
}

// How much two trainings of `model` differ, relative to how far the first has come: the norm of the
// difference of all weights, divided by the norm of the first's updates.
double RelativeDifference(const std::string& model, const StateDict& a, const StateDict& b) {
  EXPECT_EQ(a.size(), b.size());
  const auto start_model = Model(model);
  const StateDict start = detection::weights::ModuleState(*start_model);
  double difference = 0, update = 0;
  for (const StateDict::Entry& entry : a) {
    const at::Tensor* other = b.Find(entry.name);
    const at::Tensor* first = start.Find(entry.name);
    EXPECT_NE(other, nullptr) << entry.name;
    EXPECT_NE(first, nullptr) << entry.name;
    if (other == nullptr || first == nullptr || !entry.tensor.is_floating_point()) continue;
    difference += (entry.tensor - *other).square().sum().item<double>();
    update += (entry.tensor - *first).square().sum().item<double>();
  }
  EXPECT_GT(update, 0);
  return std::sqrt(difference / update);
}

// Rounding differs with the number of ranks and with the CPU. Where a head is trained it may tip a
// ReLU of the backbone: seen to change the updates of five iterations by 4e-4, which is some 1e-5
// of the weights, in the layers below that ReLU alone. A loss that one rank makes a twentieth too
// large changes them by more than 1e-2.
double Tolerance(const std::string& model) { return model == kRpn ? 1e-4 : 1e-3; }

// Whole batches of ranks (4 batches), parts of a batch (1 batch), and both (2 batches, 3 ranks).
// Not AdamW, which divides by the size of gradients and so magnifies the rounding of small ones.
TEST(TrainerRanksTest, RanksTrainWhatOneProcessTrains) {
  for (const char* model : {kRpn, kJoint}) {
    for (const int batches : {4, 2, 1}) {
      const RunSetup setup = {.model = model, .batches = batches, .images = 4, .solver = "sgd {}"};
      const Outcome alone = Train(1, setup);
      ASSERT_THAT(alone.statuses, Each(IsOk()));
      for (const int ranks : {2, 3, 4}) {
        SCOPED_TRACE(absl::StrCat(model, " ", batches, " batches, ", ranks, " ranks"));
        const Outcome together = Train(ranks, setup);
        ASSERT_THAT(together.statuses, Each(IsOk()));
        EXPECT_LT(RelativeDifference(setup.model, alone.weights, together.weights),
                  Tolerance(setup.model));
        EXPECT_THAT(Differences(together.weights, Train(ranks, setup).weights), ElementsAre());
      }
    }
  }
}

// The control: what the tolerance is for.
TEST(TrainerRanksTest, ALossThatARankDividesWronglyIsSeen) {
  for (const char* model : {kRpn, kFast, kJoint}) {
    RunSetup setup = {.model = model, .batches = 2, .images = 4, .solver = "sgd {}"};
    const Outcome alone = Train(1, setup);
    setup.change = [](int rank, const data::Batch&, StepLosses& step) {
      if (rank == 1) step.total = step.total * 1.05;
    };
    EXPECT_GT(RelativeDifference(setup.model, alone.weights, Train(2, setup).weights),
              10 * Tolerance(setup.model))
        << model;
  }
}

// The CPU takes the place of a GPU, and Gloo that of NCCL.
TEST(TrainerRanksTest, RanksTrainOnDevicesWhatOneProcessTrains) {
  const ScopedDeviceLibrary library(CpuDeviceLibrary());
  for (const char* model : {kRpn, kJoint}) {
    for (const int batches : {4, 1}) {
      RunSetup setup = {.model = model, .batches = batches, .images = 4, .solver = "sgd {}"};
      const Outcome alone = Train(1, setup);
      ASSERT_THAT(alone.statuses, Each(IsOk()));
      setup.on_device = true;
      for (const int ranks : {2, 3}) {
        SCOPED_TRACE(absl::StrCat(model, " ", batches, " batches, ", ranks, " ranks"));
        const Outcome together = Train(ranks, setup);
        ASSERT_THAT(together.statuses, Each(IsOk()));
        EXPECT_LT(RelativeDifference(setup.model, alone.weights, together.weights),
                  Tolerance(setup.model));
      }
    }
  }
}

// As on GPUs: anchors and RoIs are sampled into tensors of a fixed size. The images of a batch
// differ in size.
TEST(TrainerRanksTest, RanksTrainOnSamplesOfAFixedSizeWhatOneProcessTrains) {
  const ScopedDeviceLibrary library(CpuDeviceLibrary());
  for (const char* model : {kRpn, kFast, kJoint}) {
    for (const int batches : {2, 1}) {
      RunSetup setup = {.model = model, .batches = batches, .images = 4, .solver = "sgd {}"};
      setup.transform = "resize { shortest_side_px: [40, 48, 64] } pad_to_multiple_px: 16";
      setup.sampling = Sampling::kFixedSize;
      const Outcome alone = Train(1, setup);
      ASSERT_THAT(alone.statuses, Each(IsOk()));
      setup.on_device = true;
      for (const int ranks : {2, 3}) {
        SCOPED_TRACE(absl::StrCat(model, " ", batches, " batches, ", ranks, " ranks"));
        const Outcome together = Train(ranks, setup);
        ASSERT_THAT(together.statuses, Each(IsOk()));
        EXPECT_LT(RelativeDifference(setup.model, alone.weights, together.weights),
                  Tolerance(setup.model));
      }
    }
  }
}

// The proposals [P_b, 4] that a network with these weights selects for the RoIs of each
// image of a batch.
std::vector<at::Tensor> SelectedProposals(const StateDict& weights) {
  const at::NoGradGuard no_grad;
  const auto model = Model(kJoint);
  detection::weights::ImportOptions exact;
  exact.exact = true;
  EXPECT_THAT(
      detection::weights::ImportStateDict(weights, *detection::weights::FindNameMap("rcnn").value(),
                                          exact, detection::weights::ModuleState(*model)),
      IsOk());
  data::LoaderOptions options;
  options.batches.batching.set_images_per_batch(12);
  options.resources.set_workers(0);
  const data::Batch batch = data::Loader::Create(Shapes(kImages), options).value()->Next().value();
  return model
      ->ComputeJointRpn(MakeImages(batch), {MakeInputSizes(batch), MakeGroundTruths(batch)},
                        MakeGenerator({1, "proposals", 0, "samples"}))
      .proposals;
}

// Which proposals are selected follows from comparisons of scores and overlaps, which rounding
// could turn.
TEST(TrainerRanksTest, TheProposalsAfterFiveIterationsAreThoseOfOneProcess) {
  for (const int batches : {2, 1}) {
    const RunSetup setup = {.model = kJoint, .batches = batches, .images = 4, .solver = "sgd {}"};
    const Outcome alone = Train(1, setup);
    ASSERT_THAT(alone.statuses, Each(IsOk()));
    const std::vector<at::Tensor> expected = SelectedProposals(alone.weights);
    for (const int ranks : {2, 4}) {
      SCOPED_TRACE(absl::StrCat(batches, " batches, ", ranks, " ranks"));
      const Outcome together = Train(ranks, setup);
      ASSERT_THAT(together.statuses, Each(IsOk()));
      EXPECT_LT(RelativeDifference(setup.model, alone.weights, together.weights),
                Tolerance(setup.model));
      const std::vector<at::Tensor> found = SelectedProposals(together.weights);
      ASSERT_EQ(found.size(), expected.size());
      for (size_t i = 0; i < found.size(); ++i) {
        EXPECT_GT(expected[i].size(0), 0);
        ASSERT_EQ(found[i].sizes(), expected[i].sizes()) << "image " << i;
        EXPECT_LT((found[i] - expected[i]).abs().max().item<double>(), 1e-2) << "pixels, " << i;
      }
    }
  }
}

// Each image of a batch is drawn in one of three sizes.
TEST(TrainerRanksTest, RanksShareBatchesOfImagesOfDifferentSizes) {
  for (const char* model : {kRpn, kJoint}) {
    const RunSetup setup = {.model = model,
                            .batches = 1,
                            .images = 4,
                            .solver = "sgd {}",
                            .transform =
                                "resize { shortest_side_px: [40, 48, 64] }"
                                "pad_to_multiple_px: 16"};
    const Outcome alone = Train(1, setup);
    ASSERT_THAT(alone.statuses, Each(IsOk()));
    for (const int ranks : {2, 3}) {
      SCOPED_TRACE(absl::StrCat(model, " ", ranks, " ranks"));
      const Outcome together = Train(ranks, setup);
      ASSERT_THAT(together.statuses, Each(IsOk()));
      EXPECT_LT(RelativeDifference(setup.model, alone.weights, together.weights),
                Tolerance(setup.model));
    }
  }
}

TEST(TrainerRanksTest, LogsTheNumbersOfTheWholeUpdate) {
  for (const auto& [batches, sampling] :
       {std::pair(4, Sampling::kOfDevice), std::pair(1, Sampling::kOfDevice),
        std::pair(4, Sampling::kFixedSize), std::pair(1, Sampling::kFixedSize)}) {
    RunSetup setup = {.model = kJoint, .batches = batches};
    setup.sampling = sampling;
    const std::string of_one = setup.directory = FreshDirectory("of_one");
    ASSERT_THAT(Train(1, setup).statuses, Each(IsOk()));
    const std::string of_two = setup.directory = FreshDirectory("of_two");
    ASSERT_THAT(Train(2, setup).statuses, Each(IsOk()));
    const auto expected = MetricNumbers(of_one), found = MetricNumbers(of_two);
    ASSERT_EQ(found.size(), expected.size());
    ASSERT_EQ(expected[0].count("rois_positive"), 1u);
    for (size_t i = 0; i < found.size(); ++i) {
      for (const auto& [name, number] : expected[i]) {
        ASSERT_EQ(found[i].count(name), 1u) << name;
        EXPECT_NEAR(found[i].at(name), number, 1e-3 * std::abs(number) + 1e-6) << name;
      }
    }
  }
}

// The only image of a batch is of rank 0.
TEST(TrainerRanksTest, ARankWithoutImagesIsNamedAndChangesNothing) {
  for (const char* model : {kRpn, kJoint}) {
    const RunSetup setup = {.model = model, .batches = 1, .images = 1};
    const Outcome together = Train(2, setup);
    ASSERT_THAT(together.statuses, Each(IsOk()));
    EXPECT_THAT(together.notices, Contains("an update has only 1 image: none for rank 1"));
    EXPECT_LT(RelativeDifference(setup.model, Train(1, setup).weights, together.weights), 1e-6);
  }
}

TEST(TrainerRanksTest, ResumesAtAnotherNumberOfRanks) {
  const RunSetup setup = {.model = kJoint, .iterations = 6};
  const Outcome alone = Train(1, setup);
  for (const auto& [before, after] : {std::pair(2, 2), std::pair(2, 1), std::pair(1, 4)}) {
    SCOPED_TRACE(absl::StrCat(before, " then ", after));
    RunSetup part = setup;
    part.directory = FreshDirectory("resumed");
    part.stop_at = 3;
    for (const absl::Status& status : Train(before, part).statuses) {
      EXPECT_TRUE(absl::IsCancelled(status)) << status;
    }
    // Ranks stop at an update that all have agreed on.
    EXPECT_TRUE(
        std::filesystem::exists(absl::StrCat(part.directory, "/checkpoint-", before == 1 ? 3 : 4)));
    part.stop_at = -1;
    const Outcome resumed = Train(after, part);
    ASSERT_THAT(resumed.statuses, Each(IsOk()));
    EXPECT_LT(RelativeDifference(setup.model, alone.weights, resumed.weights),
              Tolerance(setup.model));
    if (before == after) {
      EXPECT_THAT(Differences(Train(after, setup).weights, resumed.weights), ElementsAre());
    }
  }
}

TEST(TrainerRanksTest, RankZeroAloneDecidesOnCheckpoints) {
  RunSetup setup = {.iterations = 5, .directory = FreshDirectory(), .checkpoint_iterations = 2};
  ASSERT_THAT(Train(2, setup).statuses, Each(IsOk()));
  EXPECT_TRUE(std::filesystem::exists(setup.directory + "/checkpoint-2"));
  EXPECT_TRUE(std::filesystem::exists(setup.directory + "/checkpoint-4"));
}

TEST(TrainerRanksTest, ALossThatIsNotFiniteEndsAllWithItsRankAndImages) {
  for (const int batches : {4, 1}) {
    RunSetup setup = {.model = kJoint, .batches = batches};
    setup.change = [batches](int rank, const data::Batch& batch, StepLosses& step) {
      if (rank != 1 || batch.iteration < 2 * batches) return;
      step.total = step.total * std::numeric_limits<float>::infinity();
    };
    for (const absl::Status& status : Train(2, setup).statuses) {
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss,
                                   AllOf(HasSubstr("rank 1: training has diverged at iteration 3"),
                                         HasSubstr("shapes-1-0000"))));
    }
  }
}

// In the backward pass, while the gradients of the others are being added up.
TEST(TrainerRanksTest, AnErrorOfTheBackwardPassEndsAllWithItsRank) {
  const ScopedDeviceLibrary library(CpuDeviceLibrary());
  for (const auto& [batches, on_device] :
       {std::pair(2, false), std::pair(1, false), std::pair(2, true)}) {
    SCOPED_TRACE(batches);
    RunSetup setup = {.batches = batches};
    setup.on_device = on_device;
    const int64_t first = 2 * int64_t{batches};
    setup.change = [first](int rank, const data::Batch& batch, StepLosses& step) {
      if (rank != 1 || batch.iteration < first) return;
      step.total.register_hook(
          [](const at::Tensor&) -> at::Tensor { throw std::runtime_error("no gradient"); });
    };
    for (const absl::Status& status : Train(2, setup).statuses) {
      EXPECT_THAT(status,
                  StatusIs(absl::StatusCode::kInternal,
                           AllOf(HasSubstr("rank 1: the network failed at iteration 3 on the"),
                                 HasSubstr("no gradient"))));
    }
  }
}

// Rank 1 reads two images of each update, of one batch or of a part.
TEST(TrainerRanksTest, AnUnreadableImageOfARankEndsAllWithACheckpoint) {
  for (const auto& [batches, images] : {std::pair(2, 2), std::pair(1, 4)}) {
    SCOPED_TRACE(batches);
    RunSetup setup = {.model = kJoint, .batches = batches, .images = images};
    setup.directory = FreshDirectory("torn");
    setup.others_dataset = std::make_shared<TornDataset>(Shapes(kImages), 7);
    for (const absl::Status& status : Train(2, setup).statuses) {
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                   AllOf(HasSubstr("rank 1: "), HasSubstr(".jpg: torn"),
                                         HasSubstr("the same command"))));
    }
    EXPECT_TRUE(std::filesystem::exists(setup.directory + "/checkpoint-3"));
    setup.others_dataset = nullptr;
    const Outcome resumed = Train(2, setup);
    setup.directory.clear();
    EXPECT_THAT(Differences(Train(2, setup).weights, resumed.weights), ElementsAre());
  }
}

// A rank that ends by itself, as by an error of another kind.
TEST(TrainerRanksTest, AnErrorBetweenUpdatesReachesTheOthers) {
  RunSetup setup;
  setup.directory = FreshDirectory();
  const auto work = [&](std::shared_ptr<RankGroup> group) -> absl::Status {
    if (group->rank() == 1) return absl::ResourceExhaustedError("disk full");
    StateDict weights;
    std::vector<std::string> notices;
    return TrainRank(setup, std::move(group), weights, notices);
  };
  EXPECT_THAT(RunRanks(2, work)[0],
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("rank 1: disk full")));
}

}  // namespace
}  // namespace rcnn::training
