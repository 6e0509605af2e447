// Looks up the stages that a stage refers to.

#ifndef RCNN_TRAINING_CONFIG_STAGE_REFERENCES_H_
#define RCNN_TRAINING_CONFIG_STAGE_REFERENCES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/configs/experiment.pb.h"

namespace rcnn::training {

// The kinds of results that a stage can provide to others.
enum class StageProduct {
  kWeights,    // any training stage
  kRpn,        // train_rpn, train_joint
  kHead,       // train_fast_rcnn, train_joint
  kProposals,  // generate_proposals, selective_search
};

// Whether the stage makes `product`.
bool Provides(const configs::StageConfig& stage, StageProduct product);

// Returns the stage called `name` before stages(index) that provides `product`.
// kInvalidArgument, starting with `field` and listing the suitable stages, if
// `name` does not exist, comes later, is this stage itself, or has another kind.
absl::StatusOr<const configs::StageConfig*> FindEarlierStage(
    const configs::ExperimentConfig& config, int index, absl::string_view field,
    const std::string& name, StageProduct product);

// The dataset of a stage that stores proposals.
configs::DatasetRole ProposalsRole(const configs::StageConfig& stage);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_CONFIG_STAGE_REFERENCES_H_
