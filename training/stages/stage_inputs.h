// The inputs of a stage: datasets, results of earlier stages, pretrained weights.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(auto dataset, FindDataset(run, configs::TRAIN));
//   RCNN_ASSIGN_OR_RETURN(detection::weights::StateDict rpn, StageWeights(run, "rpn1"));

#ifndef RCNN_TRAINING_STAGES_STAGE_INPUTS_H_
#define RCNN_TRAINING_STAGES_STAGE_INPUTS_H_

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/base/file_io.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/configs/transform.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/proposals/proposal_file.h"
#include "rcnn/detection/weights/state_dict.h"
#include "rcnn/training/stages/experiment_run.h"
#include "rcnn/training/stages/stage_model.h"

namespace rcnn::training {

// File names in a stage's directory.
inline constexpr char kModelFile[] = "model.safetensors";
inline constexpr char kProposalsFile[] = "proposals.safetensors";
inline constexpr char kMirroredProposalsFile[] = "mirrored_proposals.safetensors";

// kInvalidArgument if the experiment has no dataset with this role.
absl::StatusOr<std::shared_ptr<const data::Dataset>> FindDataset(const ExperimentRun& run,
                                                                 configs::DatasetRole role);

// Indices of the first `max_images` images that have an object to learn from: one that is neither
// crowd nor difficult.
std::vector<int64_t> ImagesWithObjects(const data::Dataset& dataset,
                                       int64_t max_images = std::numeric_limits<int64_t>::max());

// Null if no stage has this name.
const configs::StageConfig* FindStage(const configs::ExperimentConfig& config,
                                      const std::string& name);

// "runs/x/stages/1_rpn1/model.safetensors".
std::string StageFilePath(const ExperimentRun& run, const std::string& stage,
                          const std::string& file);

// The weights of a finished training stage. Errors: those of LoadStateDict.
absl::StatusOr<detection::weights::StateDict> StageWeights(const ExperimentRun& run,
                                                           const std::string& stage);

// The proposals of a finished stage for `dataset`. Errors: those of ProposalFile::Open.
absl::StatusOr<std::shared_ptr<const data::ProposalFile>> StageProposals(
    const ExperimentRun& run, const std::string& stage, const data::Dataset& dataset);

// The path of the pretrained weights. kInvalidArgument if the config names none;
// kNotFound, with advice, if the file is missing. The errors of errno_status.h if it cannot be read
// now.
absl::StatusOr<std::string> PretrainedPath(const ExperimentRun& run);

// The digest of pretrained weights as keys have it: "12 bytes, CRC-32C 00c0ffee".
std::string PretrainedDigestText(const FileDigest& digest);

// The lookup for MakeStageModel (stage_model.h). `run` must outlive it. kFailedPrecondition for
// pretrained weights that are not those of the keys any more.
WeightsLookup MakeWeightsLookup(const ExperimentRun& run);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_STAGE_INPUTS_H_
