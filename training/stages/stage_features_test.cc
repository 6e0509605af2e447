#include "rcnn/training/stages/stage_features.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/detection/module_parts.h"
#include "rcnn/ops/testing/queue_device.h"
#include "rcnn/training/stages/inference_options.h"
#include "rcnn/training/stages/inferred_image.h"
#include "rcnn/training/stages/propose_all.h"
#include "rcnn/training/stages/stage_inputs.h"
#include "rcnn/training/stages/stage_model.h"
#include "rcnn/training/stages/stage_runner.h"
#include "rcnn/training/testing/tiny_run.h"

namespace rcnn::training {
namespace {

using ::testing::Each;
using ::testing::StartsWith;

constexpr char kBatchNorm[] = "model.backbone.resnet={ depth: RESNET_18 norm { batch_norm {} } }";
// Usually 48 pixels; evaluation uses the last.
constexpr char kSizes[] = "data.transform.resize={ shortest_side_px: [40, 48] }";

const data::Dataset& Train(const ExperimentRun& run) { return *run.datasets.at(configs::TRAIN); }

std::shared_ptr<detection::FasterRcnn> LoadModel(const ExperimentRun& run,
                                                 const std::string& stage) {
  return MakeTrainedModel(StageModelConfig(run.config.model(), *FindStage(run.config, stage)),
                          run.datasets.at(configs::TRAIN)->classes().size(), Weights(run, stage),
                          run.device)
      .value();
}

// Scores of the proposals on each training image; `features` may be null.
std::vector<std::vector<float>> ProposedScores(const ExperimentRun& run,
                                               const detection::FasterRcnn& model,
                                               std::shared_ptr<FrozenFeatures> features) {
  InferenceOptions options;
  options.transform = run.config.data().transform();
  options.features = std::move(features);
  std::vector<std::vector<float>> scores;
  EXPECT_THAT(ProposeAll(model, run.datasets.at(configs::TRAIN),
                         run.config.model().rpn().test_proposals(), options, 0, false,
                         [&](const InferredProposals& image) {
                           scores.push_back(image.scores);
                           return absl::OkStatus();
                         }),
              IsOk());
  return scores;
}

class CachedFeaturesTest : public ::testing::TestWithParam<std::vector<std::string>> {};

// The proposals between steps 3 and 4 reuse the cached maps of step 3.
TEST_P(CachedFeaturesTest, ProposalsEqualTheNetworks) {
  const ExperimentRun run = OpenTinyRun(TinyExperiment(GetParam()), FreshDirectory());
  const configs::TransformConfig& transform = run.config.data().transform();
  ASSERT_THAT(RunStages(run, "fast1"), IsOk());
  EXPECT_EQ(CachedFeatures(run, Train(run), transform, LoadModel(run, "rpn1")), nullptr);
  ASSERT_THAT(RunStage(run, *FindStage(run.config, "rpn2")), IsOk());
  EXPECT_EQ(CachedFeatures(run, Train(run), transform, LoadModel(run, "rpn1")), nullptr);

  const auto model = LoadModel(run, "rpn2");
  const auto kept = CachedFeatures(run, Train(run), transform, model);
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(ProposedScores(run, *model, nullptr), ProposedScores(run, *model, kept));
  EXPECT_GT(kept->hits(), 0);
}

INSTANTIATE_TEST_SUITE_P(Backbones, CachedFeaturesTest,
                         ::testing::Values(std::vector<std::string>{},
                                           std::vector<std::string>{kBatchNorm},
                                           std::vector<std::string>{kSizes}));

// Steps 3 and 4 on another device than the steps before them: maps stay there, for the proposals
// between the two and for step 4, and serve no network on the CPU.
TEST(StageFeaturesTest, MapsOfADeviceServeTheStagesThere) {
  ExperimentRun run = OpenTinyRun(TinyExperiment(), FreshDirectory());
  const configs::TransformConfig& transform = run.config.data().transform();
  ASSERT_THAT(RunStages(run, "fast1"), IsOk());
  run.device = ops::testing::QueueDevice();
  ASSERT_THAT(RunStage(run, *FindStage(run.config, "rpn2")), IsOk());
  const int64_t bytes = run.features->bytes();
  EXPECT_GT(bytes, 0);

  const auto model = LoadModel(run, "rpn2");
  const auto kept = CachedFeatures(run, Train(run), transform, model);
  ASSERT_NE(kept, nullptr);
  const auto expected = ProposedScores(run, *model, nullptr);
  const auto found = ProposedScores(run, *model, kept);
  EXPECT_GT(kept->hits(), 0);
  ASSERT_EQ(found.size(), expected.size());
  // Images are channels-last here, and were not in step 3, which rounds differently.
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_THAT(found[i], ::testing::Pointwise(::testing::FloatNear(1e-5f), expected[i])) << i;
  }

  ASSERT_THAT(RunStage(run, *FindStage(run.config, "proposals2")), IsOk());
  ASSERT_THAT(RunStage(run, *FindStage(run.config, "fast2")), IsOk());
  EXPECT_GE(run.features->bytes(), bytes);
  EXPECT_NE(CachedFeatures(run, Train(run), transform, LoadModel(run, "fast2")), nullptr);
  EXPECT_THAT(Differences(Weights(run, "fast1"), Weights(run, "fast2")), Each(StartsWith("head.")));
  run.device = c10::Device(c10::DeviceType::CPU);
  EXPECT_EQ(CachedFeatures(run, Train(run), transform, LoadModel(run, "rpn2")), nullptr);
}

TEST(StageFeaturesTest, ATrainedBackboneDropsThem) {
  const ExperimentRun run = OpenTinyRun(TinyExperiment(), FreshDirectory());
  ASSERT_THAT(RunStages(run, "rpn2"), IsOk());
  EXPECT_GT(run.features->bytes(), 0);
  ASSERT_THAT(RunStage(run, *FindStage(run.config, "rpn1")), IsOk());
  EXPECT_EQ(run.features->bytes(), 0);
}

// On a GPU; on the CPU there is nothing to vary.
TEST(StageFeaturesTest, MapsWhoseBitsVaryAreKeptApart) {
  ExperimentRun run = OpenTinyRun(TinyExperiment(), FreshDirectory());
  const configs::TransformConfig& transform = run.config.data().transform();
  ASSERT_THAT(RunStages(run, "rpn2"), IsOk());
  const auto model = LoadModel(run, "rpn2");
  for (const at::Tensor& parameter : model->parameters()) parameter.set_requires_grad(false);
  const auto claim = [&](bool deterministic) {
    TrainingFeatures(run, transform, model, configs::TrainingConfig::FLOAT32, deterministic);
    return run.features->bytes();
  };
  EXPECT_GT(claim(false), 0);
  run.device = c10::Device(c10::DeviceType::CUDA, 0);
  EXPECT_GT(claim(true), 0);
  EXPECT_EQ(claim(false), 0);
}

TEST(StageFeaturesTest, JointTrainingDropsThemToo) {
  configs::ExperimentConfig config = TinyExperiment();
  configs::StageConfig& joint = *config.add_stages();
  joint.set_name("joint");
  *joint.mutable_train_joint()->mutable_training() = config.stages(0).train_rpn().training();
  const ExperimentRun run = OpenTinyRun(config, FreshDirectory());
  ASSERT_THAT(RunStages(run, "rpn2"), IsOk());
  EXPECT_GT(run.features->bytes(), 0);
  ASSERT_THAT(RunStage(run, *FindStage(run.config, "joint")), IsOk());
  EXPECT_EQ(run.features->bytes(), 0);
}

// Images of every dataset have the ids 1, 2, ...
TEST(StageFeaturesTest, DistinguishesDatasets) {
  const ExperimentRun run = OpenTinyRun(TinyExperiment(), FreshDirectory());
  ASSERT_THAT(RunStages(run, "rpn2"), IsOk());
  const configs::TransformConfig& transform = run.config.data().transform();
  const auto model = LoadModel(run, "rpn2");
  EXPECT_NE(CachedFeatures(run, Train(run), transform, model), nullptr);
  EXPECT_EQ(CachedFeatures(run, *run.datasets.at(configs::TEST), transform, model), nullptr);
}

TEST(StageFeaturesTest, DistinguishesPrecisions) {
  const ExperimentRun run = OpenTinyRun(TinyExperiment(), FreshDirectory());
  ASSERT_THAT(RunStages(run, "rpn2"), IsOk());
  const configs::TransformConfig& transform = run.config.data().transform();
  const auto model = LoadModel(run, "rpn2");
  detection::Freeze(*model);
  ASSERT_NE(TrainingFeatures(run, transform, model), nullptr);
  EXPECT_GT(run.features->bytes(), 0);
  ASSERT_NE(TrainingFeatures(run, transform, model, configs::TrainingConfig::BFLOAT16), nullptr);
  EXPECT_EQ(run.features->bytes(), 0);
}

TEST(StageFeaturesTest, DistinguishesSizes) {
  const ExperimentRun run = OpenTinyRun(TinyExperiment(), FreshDirectory());
  ASSERT_THAT(RunStages(run, "rpn2"), IsOk());
  const auto model = LoadModel(run, "rpn2");
  configs::TransformConfig transform = run.config.data().transform();
  EXPECT_NE(CachedFeatures(run, Train(run), transform, model), nullptr);
  transform.mutable_resize()->set_rounding(configs::ResizeConfig::DOWN);
  EXPECT_EQ(CachedFeatures(run, Train(run), transform, model), nullptr);
  transform = run.config.data().transform();
  transform.set_pad_to_multiple_px(32);
  EXPECT_EQ(CachedFeatures(run, Train(run), transform, model), nullptr);
}

// With randomly changed colours nothing can be cached.
TEST(StageFeaturesTest, JitteredImagesAreNotCached) {
  const ExperimentRun run =
      OpenTinyRun(TinyExperiment({"data.transform.jitter={ hue_degrees: 5 }"}), FreshDirectory());
  ASSERT_THAT(RunStages(run, "rpn2"), IsOk());
  EXPECT_EQ(run.features->bytes(), 0);
}

}  // namespace
}  // namespace rcnn::training
