#include "rcnn/training/stages/train_stage.h"

#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "rcnn/base/cuda_float32_scope.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/subset_dataset.h"
#include "rcnn/data/loader/loader.h"
#include "rcnn/detection/module_device.h"
#include "rcnn/detection/training_network.h"
#include "rcnn/detection/weights/weights_file.h"
#include "rcnn/training/config/shared_backbone.h"
#include "rcnn/training/config/stage_parts.h"
#include "rcnn/training/distributed/agreement.h"
#include "rcnn/training/stages/box_statistics.h"
#include "rcnn/training/stages/detect_all.h"
#include "rcnn/training/stages/divided_training.h"
#include "rcnn/training/stages/inference_options.h"
#include "rcnn/training/stages/inferred_image.h"
#include "rcnn/training/stages/measure.h"
#include "rcnn/training/stages/mirrored_proposals.h"
#include "rcnn/training/stages/propose_all.h"
#include "rcnn/training/stages/rpn_box_statistics.h"
#include "rcnn/training/stages/stage_device.h"
#include "rcnn/training/stages/stage_features.h"
#include "rcnn/training/stages/stage_inputs.h"
#include "rcnn/training/stages/stage_model.h"
#include "rcnn/training/stages/training_graphs.h"
#include "rcnn/training/trainer/frozen_features.h"
#include "rcnn/training/trainer/losses.h"
#include "rcnn/training/trainer/proposal_exchange.h"
#include "rcnn/training/trainer/shared_norms.h"
#include "rcnn/training/trainer/trainer.h"
#include "rcnn/training/trainer/training_precision.h"
#include "rcnn/training/trainer/update_share.h"

namespace rcnn::training {
namespace {

using configs::StageConfig;
using configs::TrainingConfig;
using data::Dataset;
using detection::FasterRcnn;
using detection::TrainingNetwork;
using detection::weights::StateDict;

const configs::TransformConfig& FindTransform(const ExperimentRun& run, const StageConfig& stage) {
  const configs::TrainingConfig& training = *FindTraining(stage);
  return training.has_transform() ? training.transform() : run.config.data().transform();
}

// The images to train on.
absl::StatusOr<std::shared_ptr<const Dataset>> TrainingImages(const ExperimentRun& run,
                                                              const StageConfig& stage) {
  RCNN_ASSIGN_OR_RETURN(std::shared_ptr<const Dataset> dataset, FindDataset(run, configs::TRAIN));
  if (!stage.train_rpn().leave_out_empty_images()) return dataset;
  return std::make_shared<data::SubsetDataset>(dataset, ImagesWithObjects(*dataset));
}

absl::StatusOr<data::LoaderOptions> MakeLoaderOptions(const ExperimentRun& run,
                                                      const StageConfig& stage,
                                                      const Dataset& dataset) {
  data::LoaderOptions loader;
  loader.batches.transform = FindTransform(run, stage);
  loader.batches.batching = FindTraining(stage)->batching();
  loader.batches.batches_per_update = FindTraining(stage)->solver().batches_per_update();
  loader.batches.seed = run.config.seed();
  loader.batches.stage = stage.name();
  loader.contents.normalization = run.config.model().normalization();
  loader.resources = run.config.resources().loader();
  if (!stage.has_train_fast_rcnn()) return loader;
  const configs::TrainFastRcnnConfig& config = stage.train_fast_rcnn();
  RCNN_ASSIGN_OR_RETURN(loader.contents.proposals,
                        StageProposals(run, config.proposals(), dataset));
  loader.contents.max_proposals =
      config.max_proposals() > 0 ? config.max_proposals() : std::numeric_limits<int32_t>::max();
  return loader;
}

// Whether ranks take parts of batches.
bool TrainsParts(const ExperimentRun& run, const StageConfig& stage) {
  return run.ranks != nullptr &&
         HasParts(run.ranks->size(), FindTraining(stage)->solver().batches_per_update());
}

UpdateShare OwnShare(const ExperimentRun& run, const StageConfig& stage) {
  return ShareOfUpdate(run.ranks->rank(), run.ranks->size(),
                       FindTraining(stage)->solver().batches_per_update());
}

// Null unless ranks train jointly on parts of a batch.
std::shared_ptr<ProposalExchange> MakeExchange(const ExperimentRun& run, const StageConfig& stage,
                                               bool in_step) {
  if (!stage.has_train_joint() || !TrainsParts(run, stage)) return nullptr;
  return std::make_shared<ProposalExchange>(run.ranks, OwnShare(run, stage), in_step);
}

// Whether the network now exchanges values with the other ranks inside a step.
bool ShareNormsOfParts(const ExperimentRun& run, const StageConfig& stage, FasterRcnn& model) {
  return TrainsParts(run, stage) && ShareNorms(model, run.ranks, OwnShare(run, stage));
}

// Sets the normalisation of the RPN's box targets, measured on its anchors.
absl::Status SetRpnNormalization(const ExperimentRun& run, const StageConfig& stage,
                                 const Dataset& dataset, FasterRcnn& model) {
  if (model.rpn() == nullptr ||
      model.rpn()->config().targets().box_normalization() != configs::RpnTargetsConfig::MEASURED) {
    return absl::OkStatus();
  }
  RCNN_ASSIGN_OR_RETURN(const RpnBoxStatistics statistics,
                        MeasureRpnBoxTargets(model, dataset, FindTransform(run, stage)));
  model.rpn()->SetBoxNormalization(statistics.mean, statistics.std);
  return absl::OkStatus();
}

// Sets the head's normalisation, measured on the training proposals.
absl::Status SetHeadNormalization(const ExperimentRun& run, const StageConfig& stage,
                                  const data::LoaderOptions& loader, const Dataset& dataset,
                                  FasterRcnn& model) {
  const configs::HeadConfig& head = run.config.model().head();
  if (!stage.has_train_fast_rcnn() ||
      head.targets().box_normalization() != configs::HeadTargetsConfig::PER_CLASS) {
    return absl::OkStatus();
  }
  BoxStatisticsOptions options;
  options.max_proposals = stage.train_fast_rcnn().max_proposals();
  options.mirrored = FindTransform(run, stage).flip() != configs::TransformConfig::NEVER;
  options.upside_down = FindTransform(run, stage).flip_vertically();
  RCNN_ASSIGN_OR_RETURN(const BoxStatistics statistics,
                        MeasureBoxTargets(dataset, *loader.contents.proposals, head, options));
  model.head()->SetBoxNormalization(statistics.mean, statistics.std);
  return absl::OkStatus();
}

// Null if the convolutions are trained.
std::shared_ptr<FrozenFeatures> MakeFrozenFeatures(const ExperimentRun& run,
                                                   const StageConfig& stage,
                                                   const std::shared_ptr<FasterRcnn>& model) {
  if (!stage.has_train_joint()) {
    return TrainingFeatures(run, FindTransform(run, stage), model, FindTraining(stage)->precision(),
                            FindTraining(stage)->deterministic());
  }
  run.features->Clear();
  return nullptr;
}

absl::StatusOr<LossFunction> MakeLossFunction(const ExperimentRun& run, const StageConfig& stage,
                                              const std::shared_ptr<FasterRcnn>& model,
                                              const std::shared_ptr<FrozenFeatures>& frozen,
                                              const std::shared_ptr<TrainingNetwork>& network,
                                              const std::shared_ptr<ProposalExchange>& exchange,
                                              const Dataset& dataset) {
  constexpr Sampling kSampling = Sampling::kOfDevice;
  if (exchange != nullptr) return MakeSharedJointLoss(model, exchange);
  if (stage.has_train_joint()) return MakeJointLoss(model, kSampling, network);
  if (stage.has_train_rpn()) return MakeRpnLoss(model, frozen, kSampling, network);
  return WithMirroredProposals(run, stage, dataset,
                               MakeFastRcnnLoss(model, frozen, kSampling, network));
}

InferenceOptions ValidationOptions(const ExperimentRun& run) {
  InferenceOptions options;
  options.transform = run.config.data().transform();
  options.loader = run.config.resources().loader();
  options.cache = run.features;
  options.ranks = run.ranks;
  return options;
}

absl::StatusOr<std::string> Packed(const absl::StatusOr<NamedNumbers>& numbers) {
  RCNN_RETURN_IF_ERROR(numbers.status());
  const std::vector<uint8_t> packed = nlohmann::json::to_msgpack(*numbers);
  return std::string(packed.begin(), packed.end());
}

// What rank 0 measures, on all ranks.
absl::StatusOr<NamedNumbers> MeasureOnFirst(
    const ExperimentRun& run, absl::FunctionRef<absl::StatusOr<NamedNumbers>()> measure) {
  if (run.ranks == nullptr) return measure();
  absl::StatusOr<std::string> mine = "";
  if (IsFirstRank(run)) mine = Packed(measure());
  RCNN_ASSIGN_OR_RETURN(const std::string packed, ResultOfFirst(*run.ranks, mine));
  return nlohmann::json::from_msgpack(packed).get<NamedNumbers>();
}

ValidationFunction RpnValidation(const ExperimentRun& run, const configs::ModelConfig& model_config,
                                 const configs::ValidationConfig& config,
                                 std::shared_ptr<const Dataset> dataset) {
  return [&run, model_config, config,
          dataset](const StateDict& state) -> absl::StatusOr<NamedNumbers> {
    RCNN_ASSIGN_OR_RETURN(
        const auto model,
        MakeTrainedModel(model_config, dataset->classes().size(), state, run.device));
    const CudaFloat32Scope strict(/*allow_tf32=*/false);
    std::vector<InferredProposals> proposals;
    RCNN_RETURN_IF_ERROR(ProposeAll(*model, dataset, model_config.rpn().test_proposals(),
                                    ValidationOptions(run), /*first=*/0, /*mirrored=*/false,
                                    [&](const InferredProposals& image) {
                                      proposals.push_back(image);
                                      return absl::OkStatus();
                                    }));
    const auto metric = config.has_metric() ? config.metric() : configs::ValidationConfig::AR_100;
    return MeasureOnFirst(run, [&]() -> absl::StatusOr<NamedNumbers> {
      return ProposalNumbers(*dataset, proposals, metric);
    });
  };
}

// `proposals`: null if the network has its own RPN.
ValidationFunction DetectionValidation(const ExperimentRun& run,
                                       const configs::ModelConfig& model_config,
                                       const configs::ValidationConfig& config,
                                       std::shared_ptr<const Dataset> dataset,
                                       std::shared_ptr<const data::ProposalFile> proposals) {
  return [=, &run](const StateDict& state) -> absl::StatusOr<NamedNumbers> {
    RCNN_ASSIGN_OR_RETURN(
        const auto model,
        MakeTrainedModel(model_config, dataset->classes().size(), state, run.device));
    const CudaFloat32Scope strict(/*allow_tf32=*/false);
    InferenceOptions options = ValidationOptions(run);
    options.proposals = proposals;
    RCNN_ASSIGN_OR_RETURN(
        const eval::Detections detections,
        DetectAll({proposals == nullptr ? model : nullptr, model}, dataset, options));
    return MeasureOnFirst(run, [&]() -> absl::StatusOr<NamedNumbers> {
      RCNN_ASSIGN_OR_RETURN(const eval::Report report, MeasureDetections(*dataset, detections));
      return DetectionNumbers(report, config.metric());
    });
  };
}

absl::StatusOr<ValidationFunction> MakeValidation(const ExperimentRun& run,
                                                  const StageConfig& stage,
                                                  const configs::ModelConfig& model) {
  const configs::TrainingConfig& training = *FindTraining(stage);
  if (!training.has_validation()) return ValidationFunction();
  const configs::ValidationConfig& config = training.validation();
  RCNN_ASSIGN_OR_RETURN(const auto whole, FindDataset(run, configs::VALIDATION));
  const std::shared_ptr<const Dataset> dataset = data::FirstImages(whole, config.max_images());
  if (stage.has_train_rpn()) return RpnValidation(run, model, config, dataset);
  if (stage.has_train_joint()) return DetectionValidation(run, model, config, dataset, nullptr);
  if (dataset != whole) {
    return absl::InvalidArgumentError(absl::StrCat(
        "stage ", stage.name(),
        ": validation.max_images cannot be combined with stored proposals, which are those of all "
        "images"));
  }
  RCNN_ASSIGN_OR_RETURN(const auto proposals, StageProposals(run, config.proposals(), *dataset));
  return DetectionValidation(run, model, config, dataset, proposals);
}

TrainerOptions MakeTrainerOptions(const ExperimentRun& run, const StageConfig& stage,
                                  FasterRcnn& model) {
  TrainerOptions options;
  options.stage = stage.name();
  options.seed = run.config.seed();
  options.training = *FindTraining(stage);
  options.resources = run.config.resources();
  options.directory = run.directories.at(stage.name());
  options.events_directory = run.events_directory;
  options.key = run.keys.at(stage.name());
  options.started = run.started;
  options.progress = run.progress;
  options.notice = run.notice;
  options.may_write = run.may_write;
  options.ranks = run.ranks;
  options.exchanges_in_step = ShareNormsOfParts(run, stage, model);
  options.exchange = MakeExchange(run, stage, options.exchanges_in_step);
  options.forbid_waits = run.forbid_waits;
  return options;
}

// Checks that the network's backbone equals that of another stage if it should.
absl::Status CheckKeptBackbone(const ExperimentRun& run, const StageConfig& stage,
                               const StateDict& weights) {
  const std::string origin = BackboneOrigin(run.config, stage.name());
  for (const configs::InitConfig& init : stage.init()) {
    if (!init.has_stage() || BackboneOrigin(run.config, init.stage()) != origin) continue;
    RCNN_ASSIGN_OR_RETURN(const StateDict source, StageWeights(run, init.stage()));
    RCNN_RETURN_IF_ERROR(CheckSharedBackbone(source, weights),
                         absl::StrCat("stages ", init.stage(), " and ", stage.name()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<StageResult> RunTrainStage(const ExperimentRun& run, const StageConfig& stage) {
  RCNN_RETURN_IF_ERROR(CheckTrainingPrecision(stage, run.device));
  RCNN_ASSIGN_OR_RETURN(const auto dataset, TrainingImages(run, stage));
  RCNN_ASSIGN_OR_RETURN(data::LoaderOptions loader, MakeLoaderOptions(run, stage, *dataset));
  std::vector<std::string> reports;
  RCNN_ASSIGN_OR_RETURN(const auto model,
                        MakeStageModel(run.config, stage, dataset->classes().size(),
                                       MakeWeightsLookup(run), &reports));
  for (const std::string& report : reports)
    LOG(INFO) << stage.name() << ": " << PrintableLines(report);
  RCNN_RETURN_IF_ERROR(CheckDividedTraining(*model, *FindTraining(stage),
                                            run.ranks == nullptr ? 1 : run.ranks->size()));
  RCNN_RETURN_IF_ERROR(SetRpnNormalization(run, stage, *dataset, *model));
  RCNN_RETURN_IF_ERROR(SetHeadNormalization(run, stage, loader, *dataset, *model));
  detection::MoveToDevice(*model, run.device);
  const TrainingConfig::Precision precision = FindTraining(stage)->precision();
  const CudaFloat32Scope scope(precision == TrainingConfig::TF32);
  TrainerOptions options = MakeTrainerOptions(run, stage, *model);
  RCNN_ASSIGN_OR_RETURN(options.validate, MakeValidation(run, stage, model->config()));
  const std::shared_ptr<FrozenFeatures> frozen = MakeFrozenFeatures(run, stage, model);
  loader.contents.needs_pixels = PixelsNeeded(frozen);
  loader.contents.keep_bytes = run.device.is_cuda();
  RCNN_ASSIGN_OR_RETURN(const std::shared_ptr<TrainingNetwork> network,
                        MakeTrainingNetwork(run, model));
  if (network != nullptr) options.free_memory = [network] { return network->FreeGraphs(); };
  RCNN_ASSIGN_OR_RETURN(
      const LossFunction losses,
      MakeLossFunction(run, stage, model, frozen, network, options.exchange, *dataset));
  Trainer trainer(std::move(options), model, InPrecision(precision, run.device.type(), losses));
  RCNN_ASSIGN_OR_RETURN(StateDict weights, trainer.Run(dataset, loader));
  if (!IsFirstRank(run)) return StageResult();
  RCNN_RETURN_IF_ERROR(CheckKeptBackbone(run, stage, weights));
  weights.metadata()["stage"] = stage.name();
  weights.metadata()["stage_key"] = run.keys.at(stage.name());
  RCNN_RETURN_IF_ERROR(CheckMayWrite(run));
  RCNN_RETURN_IF_ERROR(
      detection::weights::SaveStateDict(weights, StageFilePath(run, stage.name(), kModelFile)));
  return StageResult{{kModelFile, "metrics.jsonl"}, ""};
}

}  // namespace rcnn::training
