// Lists everything that can change a stage's result, as "path: value".
//
// The only place that knows what each stage uses; stage_plan.h makes keys from it.

#ifndef RCNN_TRAINING_CONFIG_STAGE_PARTS_H_
#define RCNN_TRAINING_CONFIG_STAGE_PARTS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/config/message_fields.h"

namespace rcnn::training {

// Prefixes of the paths of other stages' keys, "reads.rpn1", and of dataset
// fingerprints, "fingerprint.train".
inline constexpr absl::string_view kReadsPrefix = "reads.";
inline constexpr absl::string_view kFingerprintPrefix = "fingerprint.";
inline constexpr absl::string_view kFormatPath = "format";

// The names of the stages whose results `stage` reads, without duplicates, in the
// order of its config. Proposals for validation count only if validation chooses the
// weights or the end of training.
std::vector<std::string> StagesRead(const configs::StageConfig& stage);

// The parts with defaults written out, except the keys of the stages it reads: its
// own config, the parts of model, data, transform and seed that it uses, the
// fingerprints of its datasets, the digest of pretrained weights, and, under
// kFormatPath, the version of the code's formats. `fingerprints` by
// configs::DatasetRole.
MessageFields StageParts(const configs::ExperimentConfig& config, const configs::StageConfig& stage,
                         const std::map<int, std::string>& fingerprints,
                         const std::string& pretrained_digest);

// The training settings of a training stage; null for other stages.
const configs::TrainingConfig* FindTraining(const configs::StageConfig& stage);

// VALIDATION becomes TEST if the experiment has no separate validation data.
configs::DatasetRole ResolvedRole(const configs::ExperimentConfig& config,
                                  configs::DatasetRole role);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_CONFIG_STAGE_PARTS_H_
