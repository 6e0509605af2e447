// The four steps of alternating training, each run as the scheduler would, on tiny
// networks: initial weights, and frozen weights.

#include "rcnn/training/stages/train_stage.h"

#include <ATen/ATen.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/detection/weights/weights_file.h"
#include "rcnn/ops/testing/queue_device.h"
#include "rcnn/training/stages/box_statistics.h"
#include "rcnn/training/stages/stage_inputs.h"
#include "rcnn/training/stages/stage_model.h"
#include "rcnn/training/stages/stage_runner.h"
#include "rcnn/training/testing/tiny_run.h"
#include "rcnn/training/trainer/checkpoint.h"

namespace rcnn::training {
namespace {

using detection::weights::StateDict;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::StartsWith;

constexpr char kBatchNorm[] = "model.backbone.resnet={ depth: RESNET_18 norm { batch_norm {} } }";
constexpr char kPyramid[] = "model.fpn={ channels: 8 }";

std::vector<std::string> Inside(const StateDict& state, const std::string& part) {
  std::vector<std::string> names;
  for (const StateDict::Entry& entry : state) {
    if (absl::StartsWith(entry.name, part)) names.push_back(entry.name);
  }
  return names;
}

std::string MetricsText(const ExperimentRun& run, const std::string& stage) {
  std::ifstream file(StageFilePath(run, stage, "metrics.jsonl"));
  return std::string(std::istreambuf_iterator<char>(file), {});
}

class FourStepsTest : public ::testing::TestWithParam<std::vector<std::string>> {};

TEST_P(FourStepsTest, StepsThreeAndFourLeaveStepTwosBackboneBitForBit) {
  const ExperimentRun run = OpenTinyRun(TinyExperiment(GetParam()), FreshDirectory());
  ASSERT_THAT(RunStages(run), IsOk());
  const StateDict rpn1 = Weights(run, "rpn1"), fast1 = Weights(run, "fast1");
  const StateDict rpn2 = Weights(run, "rpn2"), fast2 = Weights(run, "fast2");
  // Batch norms' statistics are among them.
  const std::vector<std::string> backbone = Inside(fast1, "backbone.");
  EXPECT_GT(backbone.size(), 10u);
  EXPECT_THAT(Differences(fast1, rpn2), AllOf(Each(::testing::Not(StartsWith("backbone."))),
                                              IsSupersetOf(Inside(rpn2, "rpn."))));
  EXPECT_THAT(Differences(fast1, fast2),
              AllOf(Each(StartsWith("head.")), IsSupersetOf(Inside(fast2, "head."))));
  EXPECT_THAT(CheckSharedBackbone(fast1, rpn2), IsOk());
  EXPECT_THAT(CheckSharedBackbone(rpn2, fast2), IsOk());
  // Step 2 trained the weights of step 1 further.
  EXPECT_THAT(CheckSharedBackbone(rpn1, fast1), ::testing::Not(IsOk()));
  // One network at the end: step 3's RPN and step 4's head.
  const StateDict detector = Weights(run, "final");
  EXPECT_THAT(Differences(detector, fast2), Each(StartsWith("rpn.")));
  EXPECT_THAT(Differences(detector, rpn2), Each(StartsWith("head.")));
}

INSTANTIATE_TEST_SUITE_P(Backbones, FourStepsTest,
                         ::testing::Values(std::vector<std::string>{},
                                           std::vector<std::string>{kBatchNorm}));

// Changes one weight of step 2 without step 3 noticing.
TEST(TrainStageTest, DetectsAChangedBackbone) {
  const ExperimentRun run = OpenTinyRun(TinyExperiment(), FreshDirectory());
  ASSERT_THAT(RunStages(run, "fast2"), IsOk());
  StateDict changed;
  for (const auto& entry : Weights(run, "fast2")) {
    changed.Add(entry.name, entry.tensor.clone());
    if (entry.name == "backbone.conv5.weight") {
      changed.entries().back().tensor.view(-1)[3].add_(1e-6f);
    }
  }
  ASSERT_THAT(detection::weights::SaveStateDict(changed, StageFilePath(run, "fast2", kModelFile)),
              IsOk());
  const auto evaluated = RunStage(run, run.config.stages(6));
  EXPECT_THAT(evaluated,
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("final"), HasSubstr("backbone.conv5.weight differs"))));
}

// The stored maps give what the network gives each time.
TEST(TrainStageTest, TheFeatureCacheDoesNotChangeAResult) {
  StateDict weights[2], proposals[2];
  for (int i = 0; i < 2; ++i) {
    const ExperimentRun run =
        OpenTinyRun(TinyExperiment({"stages.fast2.train_fast_rcnn.training.solver.iterations=6",
                                    i == 0 ? "resources.feature_cache_mib=0"
                                           : "resources.feature_cache_mib=64"}),
                    FreshDirectory(i == 0 ? "without" : "with"));
    ASSERT_THAT(RunStages(run, "fast2"), IsOk());
    weights[i] = Weights(run, "fast2");
    proposals[i] =
        detection::weights::LoadStateDict(StageFilePath(run, "proposals2", kProposalsFile)).value();
  }
  EXPECT_THAT(Differences(weights[0], weights[1]), IsEmpty());
  EXPECT_THAT(Differences(proposals[0], proposals[1]), IsEmpty());
}

// Runs `stage`, stopped after its second iteration; then again, as another process would.
absl::Status RunInterrupted(ExperimentRun run, const std::string& stage) {
  std::vector<int64_t> started;
  run.started = [&](int64_t done) { started.push_back(done); };
  run.progress = [](int64_t done, const std::string&) {
    if (done == 2) RequestShutdown(15);
  };
  const absl::Status stopped = RunStage(run, *FindStage(run.config, stage)).status();
  ResetShutdownForTesting();
  EXPECT_THAT(stopped, StatusIs(absl::StatusCode::kCancelled));
  run.progress = nullptr;
  run.features->Clear();
  const absl::Status resumed = RunStage(run, *FindStage(run.config, stage)).status();
  EXPECT_THAT(started, ElementsAre(0, 2));
  return resumed;
}

// With everything that writes weights: checkpoints, averages, validations. Nothing is
// cached, so that the frozen convolutions run to the end.
TEST(TrainStageTest, ResumedWithFrozenConvolutionsEqualsBitForBit) {
  std::vector<std::string> settings = {"resources.feature_cache_mib=0"};
  for (const char* training :
       {"stages.rpn2.train_rpn.training", "stages.fast2.train_fast_rcnn.training"}) {
    settings.push_back(absl::StrCat(training, ".solver.iterations=4"));
    settings.push_back(absl::StrCat(training, ".average_decay=0.9"));
  }
  settings.push_back("stages.rpn2.train_rpn.training.validation={ every: 1 }");
  for (const char* backbone :
       {kBatchNorm, "model.backbone.resnet={ depth: RESNET_18 norm { frozen_batch_norm {} } }"}) {
    SCOPED_TRACE(backbone);
    std::vector<std::string> overrides = settings;
    overrides.push_back(backbone);
    StateDict rpn[2], fast[2];
    for (const bool interrupted : {false, true}) {
      const ExperimentRun run =
          OpenTinyRun(TinyExperiment(overrides), FreshDirectory(interrupted ? "killed" : "whole"));
      ASSERT_THAT(RunStages(run, "fast1"), IsOk());
      const auto run_stage = [&](const std::string& stage) {
        return interrupted ? RunInterrupted(run, stage)
                           : RunStage(run, *FindStage(run.config, stage)).status();
      };
      ASSERT_THAT(run_stage("rpn2"), IsOk());
      ASSERT_THAT(RunStage(run, *FindStage(run.config, "proposals2")), IsOk());
      ASSERT_THAT(run_stage("fast2"), IsOk());
      rpn[interrupted] = Weights(run, "rpn2");
      fast[interrupted] = Weights(run, "fast2");
    }
    EXPECT_THAT(Differences(rpn[0], rpn[1]), IsEmpty());
    EXPECT_THAT(Differences(fast[0], fast[1]), IsEmpty());
  }
}

// The weights of the newest checkpoint of a stage.
StateDict CheckpointWeights(const ExperimentRun& run, const std::string& stage) {
  const auto latest =
      CheckpointStore(run.directories.at(stage), run.keys.at(stage)).ReadLatest(nullptr);
  EXPECT_THAT(latest, IsOk());
  return latest.ok() && latest->has_value() ? (*latest)->model : StateDict();
}

// The Euclidean norm of the difference of all weights.
double Distance(const StateDict& a, const StateDict& b) {
  double squares = 0;
  for (const StateDict::Entry& entry : a) {
    const at::Tensor* const other = b.Find(entry.name);
    EXPECT_NE(other, nullptr) << entry.name;
    if (other == nullptr || !entry.tensor.is_floating_point()) continue;
    squares += (entry.tensor - *other).to(at::kDouble).square().sum().item<double>();
  }
  return std::sqrt(squares);
}

// Step 3 of two iterations on each device, the second in a process that still has the maps of the
// first. Momentum makes most of its updates, so that they tell whether it has moved too.
TEST(TrainStageTest, AStageThatChangesItsDeviceEndsAsWithoutTheChange) {
  ExperimentRun run = OpenTinyRun(
      TinyExperiment(
          {"stages.rpn2.train_rpn.training.solver={ sgd { momentum: 0.9 } learning_rate: "
           "0.01 iterations: 4 }"}),
      FreshDirectory());
  ASSERT_THAT(RunStages(run, "fast1"), IsOk());
  std::vector<std::string> notices;
  run.notice = [&](const std::string& text) { notices.push_back(text); };
  const configs::StageConfig& stage = *FindStage(run.config, "rpn2");
  const StateDict step2 = Weights(run, "fast1");
  const c10::Device cpu(c10::DeviceType::CPU), other = ops::testing::QueueDevice();
  StateDict unmoved;
  for (const auto& [first, second] :
       {std::pair(cpu, cpu), std::pair(cpu, other), std::pair(other, cpu)}) {
    SCOPED_TRACE(absl::StrCat(first.str(), ", then ", second.str()));
    run.directories["rpn2"] = FreshDirectory("rpn2");
    run.features->Clear();
    run.device = first;
    run.progress = [](int64_t done, const std::string&) {
      if (done == 2) RequestShutdown(15);
    };
    const absl::Status stopped = RunStage(run, stage).status();
    ResetShutdownForTesting();
    ASSERT_THAT(stopped, StatusIs(absl::StatusCode::kCancelled));
    EXPECT_GT(run.features->bytes(), 0);
    const StateDict half = CheckpointWeights(run, "rpn2");
    run.device = second;
    run.progress = nullptr;
    notices.clear();
    ASSERT_THAT(RunStage(run, stage), IsOk());
    EXPECT_THAT(notices, Contains(HasSubstr("resumes at iteration 2 of 4")));
    const StateDict end = Weights(run, "rpn2");
    EXPECT_THAT(Differences(step2, end), Each(::testing::Not(StartsWith("backbone."))));
    if (first == second) unmoved = end;
    EXPECT_GT(Distance(unmoved, half), 1e-4);
    EXPECT_LE(Distance(end, unmoved), 1e-3 * Distance(unmoved, half));
  }
}

TEST(TrainStageTest, TheSameExperimentGivesTheSameWeightsWithAnyNumberOfWorkers) {
  StateDict weights[2];
  for (int i = 0; i < 2; ++i) {
    const ExperimentRun run = OpenTinyRun(
        TinyExperiment({i == 0 ? "resources.loader.workers=0" : "resources.loader.workers=3"}),
        FreshDirectory(i == 0 ? "none" : "three"));
    ASSERT_THAT(RunStages(run, "fast1"), IsOk());
    weights[i] = Weights(run, "fast1");
  }
  EXPECT_THAT(Differences(weights[0], weights[1]), IsEmpty());
}

// Needs no GPU: the environment is looked at before anything is moved there.
TEST(TrainStageTest, AGpuNeedsWorkspacesOfCublasWithoutVariation) {
  ExperimentRun run =
      OpenTinyRun(TinyExperiment({"stages.fast1.train_fast_rcnn.training.deterministic=false"}),
                  FreshDirectory());
  run.device = c10::Device(c10::DeviceType::CUDA, 0);
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:2", 1);
  const auto message = [&](const std::string& stage) {
    return std::string(RunStage(run, *FindStage(run.config, stage)).status().message());
  };
  EXPECT_THAT(message("rpn1"), HasSubstr("CUBLAS_WORKSPACE_CONFIG"));
  EXPECT_THAT(message("proposals1"), HasSubstr("CUBLAS_WORKSPACE_CONFIG"));
  EXPECT_THAT(message("fast1"), ::testing::Not(HasSubstr("CUBLAS_WORKSPACE_CONFIG")));
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 1);
}

TEST(TrainStageTest, OnTheCpuDeterministicChangesNothing) {
  const ExperimentRun plain = OpenTinyRun(TinyExperiment(), FreshDirectory("plain"));
  const ExperimentRun other =
      OpenTinyRun(TinyExperiment({"stages.rpn1.train_rpn.training.deterministic=false"}),
                  FreshDirectory("other"));
  ASSERT_THAT(RunStages(plain, "rpn1"), IsOk());
  ASSERT_THAT(RunStages(other, "rpn1"), IsOk());
  EXPECT_THAT(Differences(Weights(plain, "rpn1"), Weights(other, "rpn1")), IsEmpty());
}

// The saved bias is bias * std + mean, and after three updates at 0.01 the bias is near 0.
TEST(TrainStageTest, PerClassNormalisationIsFoldedIntoSavedWeights) {
  const ExperimentRun run = OpenTinyRun(
      TinyExperiment({"model.head.targets.box_normalization=PER_CLASS"}), FreshDirectory());
  ASSERT_THAT(RunStages(run, "fast1"), IsOk());
  const auto& dataset = *run.datasets.at(configs::TRAIN);
  const BoxStatistics statistics =
      MeasureBoxTargets(dataset, *StageProposals(run, "proposals1", dataset).value(),
                        run.config.model().head(), {.mirrored = true})
          .value();
  EXPECT_GT(statistics.mean.abs().max().item<double>(), 0.02);
  const StateDict weights = Weights(run, "fast1");
  const at::Tensor bias = weights.Find("head.bbox_pred.bias")->view({3, 4});
  const at::Tensor trained = (bias - statistics.mean) / statistics.std;
  EXPECT_LT(trained.abs().max().item<double>(), 0.05);
}

TEST(TrainStageTest, LeavesOutImagesWithoutObjectsIfConfigured) {
  // One image a batch, so that without an object the RPN has no positive anchors.
  const std::vector<std::string> sparse = {
      "data.train.shapes.num_images=16",
      "data.train.shapes.min_objects=0",
      "data.train.shapes.max_objects=1",
      "resources.log_every=1",
      "stages.rpn1.train_rpn.training.batching.images_per_batch=1",
      "stages.rpn1.train_rpn.training.solver.iterations=12"};
  for (const bool leave_out : {false, true}) {
    SCOPED_TRACE(leave_out);
    std::vector<std::string> overrides = sparse;
    overrides.push_back(absl::StrCat("stages.rpn1.train_rpn.leave_out_empty_images=",
                                     leave_out ? "true" : "false"));
    const ExperimentRun run =
        OpenTinyRun(TinyExperiment(overrides), FreshDirectory(leave_out ? "left out" : "kept"));
    ASSERT_LT(ImagesWithObjects(*run.datasets.at(configs::TRAIN)).size(), 10u);
    ASSERT_THAT(RunStages(run, "rpn1"), IsOk());
    const std::string lines = MetricsText(run, "rpn1");
    EXPECT_EQ(absl::StrContains(lines, "\"anchors_positive\":0.0"), !leave_out) << lines;
  }
}

// Validation during training, of proposals and of detections.
TEST(TrainStageTest, LogsValidation) {
  const ExperimentRun run = OpenTinyRun(
      TinyExperiment(
          {"stages.rpn1.train_rpn.training.validation={ every: 2 keep_best: true }",
           "stages.proposals1.generate_proposals.dataset=TEST",
           "stages.fast1.train_joint={ training { solver { adamw {} iterations: 2 } validation { "
           "every: 1 max_images: 2 metric: AP50 } } }"}),
      FreshDirectory());
  ASSERT_THAT(RunStages(run, "fast1"), IsOk());
  EXPECT_THAT(MetricsText(run, "rpn1"),
              AllOf(HasSubstr("\"validation_ar_100\""), HasSubstr("\"validation_recall50_300\"")));
  EXPECT_THAT(MetricsText(run, "fast1"),
              AllOf(HasSubstr("\"validation_ap50\""), HasSubstr("\"loss_rpn_box\""),
                    HasSubstr("\"rois_positive\""), HasSubstr("\"data_wait\"")));
}

TEST(TrainStageTest, FeaturePyramidsAreFrozenWithTheBackbone) {
  std::vector<std::string> overrides = {kBatchNorm, kPyramid,
                                        "model.rpn.anchors.size_px=[8, 16, 32, 64, 128]",
                                        "data.transform.pad_to_multiple_px=32"};
  for (const char* stage : {"rpn2", "fast2"}) {
    overrides.push_back(
        absl::StrCat("stages.", stage, ".init=[{ stage: 'fast1' part: 'backbone' part: 'fpn' }]"));
    overrides.push_back(absl::StrCat("stages.", stage, ".freeze=['backbone', 'fpn']"));
    overrides.push_back(absl::StrCat(
        "stages.", stage, ".", stage == absl::string_view("rpn2") ? "train_rpn" : "train_fast_rcnn",
        ".training.solver.iterations=1"));
  }
  const ExperimentRun run = OpenTinyRun(TinyExperiment(overrides), FreshDirectory());
  ASSERT_THAT(RunStages(run, "fast2"), IsOk());
  EXPECT_THAT(Differences(Weights(run, "fast1"), Weights(run, "fast2")), Each(StartsWith("head.")));
  EXPECT_THAT(CheckSharedBackbone(Weights(run, "rpn2"), Weights(run, "fast2")), IsOk());
}

}  // namespace
}  // namespace rcnn::training
