// What can change a stage's result, as a list of "path: value".
//
// The one place that knows which stage uses what; stage_plan.h makes keys of it.

#ifndef RCNN_TRAINING_CONFIG_STAGE_PARTS_H_
#define RCNN_TRAINING_CONFIG_STAGE_PARTS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/config/message_fields.h"

namespace rcnn::training {

// Of the paths of parts that are keys of other stages, "reads.rpn1", and
// fingerprints of datasets, "fingerprint.train".
inline constexpr absl::string_view kReadsPrefix = "reads.";
inline constexpr absl::string_view kFingerprintPrefix = "fingerprint.";
inline constexpr absl::string_view kFormatPath = "format";

// The names of the stages whose results `stage` reads, each once, in the order in
// which its config names them.
std::vector<std::string> StagesRead(const configs::StageConfig& stage);

// The parts, defaults written out, except for the keys of the stages it reads: its
// own config, what it uses of model, data, transform and seed, the fingerprints of
// its datasets, the digest of pretrained weights, and, under kFormatPath, the
// version of the code's formats. `fingerprints` by configs::DatasetRole.
MessageFields StageParts(const configs::ExperimentConfig& config, const configs::StageConfig& stage,
                         const std::map<int, std::string>& fingerprints,
                         const std::string& pretrained_digest);

// The training settings of a stage that trains; null for others.
const configs::TrainingConfig* FindTraining(const configs::StageConfig& stage);

// VALIDATION becomes TEST where the experiment has no validation data of its own.
configs::DatasetRole ResolvedRole(const configs::ExperimentConfig& config,
                                  configs::DatasetRole role);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_CONFIG_STAGE_PARTS_H_
