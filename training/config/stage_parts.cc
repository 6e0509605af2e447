// What the key of a stage covers, besides kFormatPath and the keys of the stages that it reads:
//
//                       own config   model                  datasets    transform      seed
//   train_*             all [1]      the parts it builds,   train [1]   training's     yes
//                                    without test limits
//                                    [1]
//   generate_proposals  no name      rpn.test_proposals     its own     evaluation's   no
//                                    [2]
//   selective_search    no name      -                      its own     -              no
//   evaluate            no name      rpn.test_proposals,    its own     evaluation's   no
//                                    head.detections [2]
//
//   [1] If validation chooses the weights or the end of training, also the validation settings, the
//       test limits, the validation data and the evaluation's transform.
//   [2] Unless the stage replaces them in its own config.
//
// Training from pretrained weights also covers a digest of the file. A dataset is its config
// without paths, and its fingerprint.

#include "rcnn/training/config/stage_parts.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "rcnn/training/config/written_defaults.h"

namespace rcnn::training {
namespace {

using configs::DatasetConfig;
using configs::ExperimentConfig;
using configs::ModelConfig;
using configs::StageConfig;
using configs::TransformConfig;

// Increase it when the code gives different results for the same config, and both when a default of
// the schema changes, because keys do not contain defaults.
// 5: on the CPU, convolutions, fully connected layers and RoIAlign by rcnn's own kernels, which
// round differently.
constexpr char kFormatVersion[] = "5";
// Training. 5: a batch's padding takes part in nothing; only with several images at a time. 6:
// anchors, RoIs and what dropout drops are drawn by counters on the CPU too, and on a GPU by other
// ones than before; 1 x 1 convolutions on the CPU round differently. 7: on the CPU, joint training
// computes the RPN's gradients at the cells of its samples alone, and rcnn's own kernels compute
// more layers; both round differently.
constexpr char kTrainingFormatVersion[] = "7";

// File locations do not matter.
void ClearPaths(DatasetConfig& config) {
  config.clear_paths();
  if (!config.has_concat()) return;
  for (DatasetConfig& part : *config.mutable_concat()->mutable_parts()) ClearPaths(part);
}

const DatasetConfig& FindDataset(const ExperimentConfig& config, configs::DatasetRole role) {
  switch (role) {
    case configs::TEST:
      return config.data().test();
    case configs::VALIDATION:
      return config.data().validation();
    default:
      return config.data().train();
  }
}

void AddDataset(const ExperimentConfig& config, configs::DatasetRole role,
                const std::map<int, std::string>& fingerprints, MessageFields& parts) {
  const configs::DatasetRole resolved = ResolvedRole(config, role);
  const std::string name = absl::AsciiStrToLower(configs::DatasetRole_Name(resolved));
  DatasetConfig dataset = FindDataset(config, resolved);
  ClearPaths(dataset);
  AddMessageFields(dataset, absl::StrCat("data.", name, "."), parts);
  const auto found = fingerprints.find(resolved);
  parts.set[absl::StrCat(kFingerprintPrefix, name)] =
      found == fingerprints.end() ? "" : found->second;
}

// Outside training nothing is random, and the last of several sizes is used.
void AddEvaluationTransform(const ExperimentConfig& config, MessageFields& parts) {
  TransformConfig transform = config.data().transform();
  transform.clear_flip();
  transform.clear_flip_vertically();
  transform.clear_jitter();
  if (transform.has_resize()) transform.mutable_resize()->clear_one_scale_per_batch();
  if (transform.resize().shortest_side_px_size() > 1) {
    auto& sizes = *transform.mutable_resize()->mutable_shortest_side_px();
    sizes[0] = sizes[sizes.size() - 1];
    sizes.Truncate(1);
  }
  AddMessageFields(transform, "data.transform.", parts);
}

// Whether validation chooses the weights or the end of training.
bool ValidationMatters(const configs::TrainingConfig& training) {
  const configs::ValidationConfig& validation = training.validation();
  return training.has_validation() && (validation.keep_best() || validation.patience() > 0);
}

// The parts of the model that a training stage uses.
ModelConfig TrainedModel(const ExperimentConfig& config, const StageConfig& stage,
                         bool validation_matters) {
  ModelConfig model = config.model();
  if (stage.has_train_rpn()) {
    model.clear_head();
    model.mutable_rpn()->clear_train_proposals();
  }
  if (stage.has_train_fast_rcnn()) model.clear_rpn();
  if (!validation_matters) {
    if (model.has_rpn()) model.mutable_rpn()->clear_test_proposals();
    if (model.has_head()) model.mutable_head()->clear_detections();
  }
  return model;
}

std::string FormatVersion(const StageConfig& stage) {
  return FindTraining(stage) == nullptr ? kFormatVersion : kTrainingFormatVersion;
}

bool StartsFromPretrained(const StageConfig& stage) {
  return std::any_of(stage.init().begin(), stage.init().end(),
                     [](const configs::InitConfig& init) { return init.pretrained(); });
}

void AddTraining(const ExperimentConfig& config, const StageConfig& stage,
                 const configs::TrainingConfig& training,
                 const std::map<int, std::string>& fingerprints,
                 const std::string& pretrained_digest, MessageFields& parts) {
  parts.set["seed"] = absl::StrCat(config.seed());
  const bool validation_matters = ValidationMatters(training);
  AddMessageFields(TrainedModel(config, stage, validation_matters), "model.", parts);
  AddDataset(config, configs::TRAIN, fingerprints, parts);
  if (!training.has_transform()) {
    AddMessageFields(config.data().transform(), "data.transform.", parts);
  }
  if (validation_matters) {
    AddDataset(config, configs::VALIDATION, fingerprints, parts);
    if (training.has_transform()) AddEvaluationTransform(config, parts);
  }
  if (StartsFromPretrained(stage)) {
    parts.set["pretrained.digest"] = pretrained_digest;
    parts.set["pretrained.names"] = config.pretrained().names();
  }
}

void AddGenerateProposals(const ExperimentConfig& config,
                          const configs::GenerateProposalsConfig& work,
                          const std::map<int, std::string>& fingerprints, MessageFields& parts) {
  AddDataset(config, work.dataset(), fingerprints, parts);
  AddEvaluationTransform(config, parts);
  if (work.has_proposals()) return;
  AddMessageFields(config.model().rpn().test_proposals(), "model.rpn.test_proposals.", parts);
}

void AddEvaluate(const ExperimentConfig& config, const configs::EvaluateConfig& work,
                 const std::map<int, std::string>& fingerprints, MessageFields& parts) {
  AddDataset(config, work.dataset(), fingerprints, parts);
  AddEvaluationTransform(config, parts);
  if (work.has_rpn() && !work.has_proposal_limits()) {
    AddMessageFields(config.model().rpn().test_proposals(), "model.rpn.test_proposals.", parts);
  }
  if (work.has_detections()) return;
  AddMessageFields(config.model().head().detections(), "model.head.detections.", parts);
}

configs::TrainingConfig& MutableTraining(StageConfig& stage) {
  if (stage.has_train_rpn()) return *stage.mutable_train_rpn()->mutable_training();
  if (stage.has_train_joint()) return *stage.mutable_train_joint()->mutable_training();
  return *stage.mutable_train_fast_rcnn()->mutable_training();
}

// The stage's own config, without fields that do not affect its result.
StageConfig OwnConfig(StageConfig stage) {
  const configs::TrainingConfig* training = FindTraining(stage);
  if (training == nullptr) {
    // Only training draws random numbers, from streams that start with the name.
    stage.clear_name();
  } else if (!ValidationMatters(*training)) {
    MutableTraining(stage).clear_validation();
  }
  return stage;
}

}  // namespace

const configs::TrainingConfig* FindTraining(const StageConfig& stage) {
  switch (stage.work_case()) {
    case StageConfig::kTrainRpn:
      return &stage.train_rpn().training();
    case StageConfig::kTrainFastRcnn:
      return &stage.train_fast_rcnn().training();
    case StageConfig::kTrainJoint:
      return &stage.train_joint().training();
    default:
      return nullptr;
  }
}

configs::DatasetRole ResolvedRole(const ExperimentConfig& config, configs::DatasetRole role) {
  const bool fallback = role == configs::VALIDATION && !config.data().has_validation();
  return fallback ? configs::TEST : role;
}

std::vector<std::string> StagesRead(const StageConfig& stage) {
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(name);
    }
  };
  add(stage.generate_proposals().rpn());
  add(stage.train_fast_rcnn().proposals());
  add(stage.evaluate().rpn());
  add(stage.evaluate().detector());
  add(stage.evaluate().proposals());
  for (const configs::InitConfig& init : stage.init()) add(init.stage());
  const configs::TrainingConfig* training = FindTraining(stage);
  if (training != nullptr && ValidationMatters(*training)) add(training->validation().proposals());
  return names;
}

MessageFields StageParts(const ExperimentConfig& experiment, const StageConfig& stage_as_given,
                         const std::map<int, std::string>& fingerprints,
                         const std::string& pretrained_digest) {
  ExperimentConfig config = experiment;
  WriteDefaults(&config);
  StageConfig stage = stage_as_given;
  WriteDefaults(&stage);
  MessageFields parts;
  parts.set[std::string(kFormatPath)] = FormatVersion(stage);
  AddMessageFields(OwnConfig(stage), "", parts);
  if (const configs::TrainingConfig* training = FindTraining(stage)) {
    AddTraining(config, stage, *training, fingerprints, pretrained_digest, parts);
  } else if (stage.has_generate_proposals()) {
    AddGenerateProposals(config, stage.generate_proposals(), fingerprints, parts);
  } else if (stage.has_selective_search()) {
    AddDataset(config, stage.selective_search().dataset(), fingerprints, parts);
  } else if (stage.has_evaluate()) {
    AddEvaluate(config, stage.evaluate(), fingerprints, parts);
  }
  return parts;
}

}  // namespace rcnn::training
