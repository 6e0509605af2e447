// Looks up the stages that a stage refers to.

#ifndef RCNN_TRAINING_CONFIG_STAGE_REFERENCES_H_
#define RCNN_TRAINING_CONFIG_STAGE_REFERENCES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/configs/experiment.pb.h"

namespace rcnn::training {

// What a stage can leave for others.
enum class StageResult {
  kWeights,    // any training stage
  kRpn,        // train_rpn, train_joint
  kHead,       // train_fast_rcnn, train_joint
  kProposals,  // generate_proposals, selective_search
};

bool Leaves(const configs::StageConfig& stage, StageResult result);

// The stage before stages(index) that is called `name` and leaves `result`.
// kInvalidArgument, beginning with `field` and listing those that would do, if
// there is none: not at all, later, this one itself, or of another kind.
absl::StatusOr<const configs::StageConfig*> FindEarlier(const configs::ExperimentConfig& config,
                                                        int index, absl::string_view field,
                                                        const std::string& name,
                                                        StageResult result);

// The dataset of a stage that leaves proposals.
configs::DatasetRole ProposalsRole(const configs::StageConfig& stage);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_CONFIG_STAGE_REFERENCES_H_
