#include "rcnn/training/stages/mirrored_proposals.h"

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/loader/loader.h"
#include "rcnn/training/stages/stage_inputs.h"
#include "rcnn/training/stages/stage_runner.h"
#include "rcnn/training/testing/tiny_run.h"

namespace rcnn::training {
namespace {

// The input of the losses for each image.
struct Shown {
  int64_t index = 0;
  bool flipped = false;
  at::Tensor proposals, scores;
};

// Batches of a whole epoch with mirror images, through WithMirroredProposals.
std::vector<Shown> Epoch(const ExperimentRun& run, const std::string& resize) {
  std::vector<Shown> shown;
  const LossFunction record = [&](const data::Batch& batch, const at::Generator&) {
    for (const auto& entry : batch.entries) {
      shown.push_back({entry.index, entry.info.flipped, entry.proposals, entry.proposal_scores});
    }
    return StepLosses();
  };
  const auto dataset = run.datasets.at(configs::TRAIN);
  auto losses = WithMirroredProposals(run, *FindStage(run.config, "fast1"), *dataset, record);
  EXPECT_THAT(losses, IsOk());
  data::LoaderOptions options;
  options.batches.transform.set_flip(configs::TransformConfig::DOUBLE_DATASET);
  if (!resize.empty()) options.batches.transform.mutable_resize()->add_shortest_side_px(72);
  options.batches.batching.set_images_per_batch(2);
  options.contents.proposals = StageProposals(run, "proposals1", *dataset).value();
  const auto loader = data::Loader::Create(dataset, options).value();
  for (int i = 0; i < 8; ++i) (*losses)(loader->Next().value(), at::Generator());
  return shown;
}

class MirroredProposalsTest : public ::testing::Test {
 protected:
  static ExperimentRun Run(bool mirrored, int max_proposals = 0) {
    const ExperimentRun run = OpenTinyRun(
        TinyExperiment(
            {std::string("stages.proposals1.generate_proposals.on_mirrored_images=") +
                 (mirrored ? "true" : "false"),
             "stages.fast1.train_fast_rcnn.max_proposals=" + std::to_string(max_proposals)}),
        FreshDirectory());
    EXPECT_THAT(RunStages(run, "proposals1"), IsOk());
    return run;
  }
};

TEST_F(MirroredProposalsTest, MirrorImagesGetTheirOwnProposals) {
  const ExperimentRun run = Run(true);
  const auto& dataset = *run.datasets.at(configs::TRAIN);
  const auto file =
      data::ProposalFile::Open(StageFilePath(run, "proposals1", kMirroredProposalsFile), dataset)
          .value();
  const auto plain = StageProposals(run, "proposals1", dataset).value();
  int64_t mirrored = 0, others = 0;
  for (const Shown& image : Epoch(run, "72")) {
    const auto stored = (image.flipped ? *file : *plain).Get(image.index).value();
    const auto count = static_cast<int64_t>(stored.boxes.size());
    ASSERT_EQ(image.proposals.size(0), count);
    (image.flipped ? mirrored : others) += 1;
    for (int64_t i = 0; i < count; ++i) {
      // 48 pixels become 72.
      const data::Box& box = stored.boxes[static_cast<size_t>(i)];
      EXPECT_NEAR(image.proposals[i][0].item<float>(), 1.5f * box.x1, 1e-3);
      EXPECT_NEAR(image.proposals[i][1].item<float>(), 1.5f * box.y1, 1e-3);
      EXPECT_NEAR(image.proposals[i][2].item<float>(), 1.5f * box.x2, 1e-3);
      EXPECT_NEAR(image.proposals[i][3].item<float>(), 1.5f * box.y2, 1e-3);
      EXPECT_EQ(image.scores[i].item<float>(), stored.scores[static_cast<size_t>(i)]);
    }
  }
  EXPECT_EQ(mirrored, 8);
  EXPECT_EQ(others, 8);
}

TEST_F(MirroredProposalsTest, LimitsTheNumberOfProposals) {
  for (const Shown& image : Epoch(Run(true, 3), "")) {
    if (image.flipped) {
      EXPECT_EQ(image.proposals.size(0), 3);
    }
  }
}

TEST_F(MirroredProposalsTest, WithoutAFileTheLoadersBoxesStay) {
  const ExperimentRun run = Run(false);
  const auto plain = StageProposals(run, "proposals1", *run.datasets.at(configs::TRAIN)).value();
  for (const Shown& image : Epoch(run, "")) {
    if (!image.flipped) continue;
    const data::Box& box = plain->Get(image.index)->boxes[0];
    EXPECT_NEAR(image.proposals[0][0].item<float>(), 64 - box.x2, 1e-3);
    EXPECT_NEAR(image.proposals[0][2].item<float>(), 64 - box.x1, 1e-3);
  }
}

TEST_F(MirroredProposalsTest, MissingFileIsAnError) {
  const ExperimentRun run =
      OpenTinyRun(TinyExperiment({"stages.proposals1.generate_proposals.on_mirrored_images=true"}),
                  FreshDirectory());
  EXPECT_THAT(WithMirroredProposals(run, *FindStage(run.config, "fast1"),
                                    *run.datasets.at(configs::TRAIN), LossFunction()),
              ::testing::Not(IsOk()));
}

}  // namespace
}  // namespace rcnn::training
