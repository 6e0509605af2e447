// Alternating training of several ranks, as threads of this process, against that of one.

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/stages/stage_inputs.h"
#include "rcnn/training/stages/stage_runner.h"
#include "rcnn/training/testing/run_ranks.h"
#include "rcnn/training/testing/tiny_run.h"

namespace rcnn::training {
namespace {

using detection::weights::StateDict;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Runs the stages on several ranks in one directory, and returns the run of rank 0.
ExperimentRun RunOnRanks(int ranks, const configs::ExperimentConfig& config,
                         const std::string& directory) {
  // Datasets and directories are made before the threads.
  const ExperimentRun shared = OpenTinyRun(config, directory);
  const auto statuses = RunRanks(ranks, [&](std::shared_ptr<RankGroup> group) -> absl::Status {
    ExperimentRun run = shared;
    run.features = std::make_shared<FeatureCache>();
    run.ranks = std::move(group);
    for (const configs::StageConfig& stage : run.config.stages()) {
      const absl::Status status = RunStage(run, stage).status();
      if (!status.ok()) return status;
      // As the scheduler does: what rank 0 has written is there.
      if (run.ranks == nullptr) continue;
      EXPECT_THAT(run.ranks->Barrier(), IsOk());
    }
    return absl::OkStatus();
  });
  EXPECT_THAT(statuses, Each(IsOk()));
  return shared;
}

double RelativeDifference(const StateDict& a, const StateDict& b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (const StateDict::Entry& entry : a) {
    const at::Tensor* other = b.Find(entry.name);
    if (other == nullptr || !entry.tensor.is_floating_point()) continue;
    const double scale = std::max(1e-3, entry.tensor.abs().max().item<double>());
    largest = std::max(largest, (entry.tensor - *other).abs().max().item<double>() / scale);
  }
  return largest;
}

// The Euclidean norm of the difference of all weights, relative to that of the weights.
double NormDifference(const StateDict& a, const StateDict& b) {
  double difference = 0, norm = 0;
  for (const StateDict::Entry& entry : a) {
    const at::Tensor* other = b.Find(entry.name);
    if (other == nullptr || !entry.tensor.is_floating_point()) continue;
    difference += (entry.tensor - *other).square().sum().item<double>();
    norm += entry.tensor.square().sum().item<double>();
  }
  return std::sqrt(difference / norm);
}

std::vector<std::string> WithSgd(int batches, int iterations) {
  std::vector<std::string> overrides;
  for (const char* stage :
       {"rpn1.train_rpn", "fast1.train_fast_rcnn", "rpn2.train_rpn", "fast2.train_fast_rcnn"}) {
    overrides.push_back(absl::StrCat("stages.", stage,
                                     ".training.solver={ sgd {} learning_rate: "
                                     "0.001 iterations: ",
                                     iterations, " batches_per_update: ", batches, " }"));
  }
  return overrides;
}

std::string Bytes(const ExperimentRun& run, const std::string& stage, const std::string& file) {
  const auto bytes = ReadFile(StageFilePath(run, stage, file));
  EXPECT_THAT(bytes, IsOk());
  return bytes.ok() ? *bytes : "";
}

// Each training stage on the same inputs, so that differences do not add up over the stages: RPN
// and Fast R-CNN, from the images and from cached maps, with whole batches and parts of one.
// Compares each tensor after 8 iterations and all weights together after 50. Sooner or later,
// rounding moves an activation to the other side of a ReLU, and then the gradient of a small
// tensor, such as the bias of a norm, changes by more than rounding: with LibTorch 2.11 within 20
// iterations.
TEST(StagesRanksTest, WeightsAreThoseOfOneProcess) {
  for (const auto& [batches, iterations] :
       {std::pair(1, 8), std::pair(4, 8), std::pair(1, 50), std::pair(4, 50)}) {
    const std::string setup = absl::StrCat(batches, " batches, ", iterations, " iterations");
    const configs::ExperimentConfig config = TinyExperiment(WithSgd(batches, iterations));
    const ExperimentRun alone = RunOnRanks(1, config, FreshDirectory(absl::StrCat("alone", setup)));
    for (const int ranks : {2, 4}) {
      for (const char* stage : {"rpn1", "fast1", "rpn2", "fast2"}) {
        SCOPED_TRACE(absl::StrCat(stage, ", ", setup, ", ", ranks, " ranks"));
        ExperimentRun run = alone;
        run.directories[stage] = FreshDirectory(absl::StrCat(stage, setup, ranks));
        const auto statuses = RunRanks(ranks, [&](std::shared_ptr<RankGroup> group) {
          ExperimentRun own = run;
          own.features = std::make_shared<FeatureCache>();
          own.ranks = std::move(group);
          return RunStage(own, *FindStage(config, stage)).status();
        });
        EXPECT_THAT(statuses, Each(IsOk()));
        const StateDict expected = Weights(alone, stage), found = Weights(run, stage);
        EXPECT_LT(NormDifference(expected, found), 1e-5);
        if (iterations > 8) continue;
        EXPECT_LT(RelativeDifference(expected, found), 1e-5);
      }
    }
  }
}

// Each stage on the inputs of the other run: the network before it has equal weights.
TEST(StagesRanksTest, ProposalsAndDetectionsAreEqualByteForByte) {
  const configs::ExperimentConfig config =
      TinyExperiment({"stages.proposals1.generate_proposals.on_mirrored_images=true"});
  const std::string directory = FreshDirectory();
  const ExperimentRun alone = RunOnRanks(1, config, directory);
  const auto files = {std::pair("proposals1", kProposalsFile),
                      std::pair("proposals1", kMirroredProposalsFile),
                      std::pair("proposals2", kProposalsFile),
                      std::pair("final", "detections.json"), std::pair("final", "metrics.json")};
  std::vector<std::string> expected;
  for (const auto& [stage, file] : files) expected.push_back(Bytes(alone, stage, file));
  for (const int ranks : {2, 4}) {
    SCOPED_TRACE(ranks);
    const auto statuses = RunRanks(ranks, [&](std::shared_ptr<RankGroup> group) {
      ExperimentRun run = alone;
      run.features = std::make_shared<FeatureCache>();
      run.ranks = std::move(group);
      for (const char* name : {"proposals1", "proposals2", "final"}) {
        const absl::Status status = RunStage(run, *FindStage(config, name)).status();
        if (!status.ok()) return status;
      }
      return absl::OkStatus();
    });
    EXPECT_THAT(statuses, Each(IsOk()));
    size_t next = 0;
    for (const auto& [stage, file] : files) {
      EXPECT_EQ(Bytes(alone, stage, file), expected[next++]) << stage << " " << file;
    }
  }
}

// With validation, and a frozen backbone whose maps are cached.
TEST(StagesRanksTest, AllStagesRunAndRunAgainBitForBit) {
  const configs::ExperimentConfig config =
      TinyExperiment({"stages.rpn1.train_rpn.training.validation={ every: 2 keep_best: true }",
                      "stages.fast2.train_fast_rcnn.training.solver.iterations=9"});
  const ExperimentRun once = RunOnRanks(2, config, FreshDirectory("once"));
  const ExperimentRun again = RunOnRanks(2, config, FreshDirectory("again"));
  for (const char* stage : {"rpn1", "fast1", "rpn2", "fast2"}) {
    EXPECT_THAT(Differences(Weights(once, stage), Weights(again, stage)), ElementsAre()) << stage;
  }
  EXPECT_EQ(Bytes(once, "final", "detections.json"), Bytes(again, "final", "detections.json"));
}

// Four ranks share batches of two images.
TEST(StagesRanksTest, RefusesABatchNormThatLacksImagesOnAllRanks) {
  const configs::ExperimentConfig config =
      TinyExperiment({"model.backbone.resnet={ depth: RESNET_18 norm { batch_norm {} } }"});
  const ExperimentRun shared = OpenTinyRun(config, FreshDirectory());
  const auto statuses = RunRanks(4, [&](std::shared_ptr<RankGroup> group) {
    ExperimentRun run = shared;
    run.ranks = std::move(group);
    return RunStage(run, config.stages(0)).status();
  });
  EXPECT_THAT(statuses, Each(StatusIs(absl::StatusCode::kInvalidArgument,
                                      HasSubstr("model.backbone.resnet.norm: batch_norm"))));
}

}  // namespace
}  // namespace rcnn::training
