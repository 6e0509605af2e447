#include "rcnn/training/stages/mirrored_proposals.h"

#include <ATen/ATen.h>

#include <limits>
#include <memory>
#include <utility>

#include "rcnn/base/status_macros.h"
#include "rcnn/data/proposals/proposal_file.h"
#include "rcnn/training/stages/stage_inputs.h"
#include "rcnn/training/trainer/batch_targets.h"

namespace rcnn::training {
namespace {

// Replaces the proposals of an image with those of the file, as the loader stores them.
void ReplaceProposals(const data::ProposalFile& file, int64_t max_proposals,
                      data::BatchImage& entry) {
  absl::StatusOr<data::ImageProposals> found = file.Get(entry.index);
  TORCH_CHECK(found.ok(), std::string(found.status().message()));
  const data::ImageProposals best = found->First(max_proposals);
  const auto count = static_cast<int64_t>(best.boxes.size());
  const at::Tensor boxes =
      at::from_blob(const_cast<data::Box*>(best.boxes.data()), {count, 4}, at::kFloat);
  entry.proposals = ToInputPixels(boxes, entry);
  entry.proposal_scores =
      at::from_blob(const_cast<float*>(best.scores.data()), {count}, at::kFloat).clone();
}

}  // namespace

absl::StatusOr<LossFunction> WithMirroredProposals(const ExperimentRun& run,
                                                   const configs::StageConfig& stage,
                                                   const data::Dataset& dataset,
                                                   LossFunction losses) {
  const configs::TrainFastRcnnConfig& config = stage.train_fast_rcnn();
  const configs::StageConfig* source = FindStage(run.config, config.proposals());
  if (source == nullptr || !source->generate_proposals().on_mirrored_images()) return losses;
  RCNN_ASSIGN_OR_RETURN(const std::shared_ptr<const data::ProposalFile> file,
                        data::ProposalFile::Open(
                            StageFilePath(run, source->name(), kMirroredProposalsFile), dataset));
  const int64_t max_proposals =
      config.max_proposals() > 0 ? config.max_proposals() : std::numeric_limits<int32_t>::max();
  return LossFunction([file, max_proposals, losses = std::move(losses)](
                          const data::Batch& batch, const at::Generator& generator) {
    data::Batch mirrored = batch;
    for (data::BatchImage& entry : mirrored.entries) {
      if (entry.info.flipped) ReplaceProposals(*file, max_proposals, entry);
    }
    return losses(mirrored, generator);
  });
}

}  // namespace rcnn::training
