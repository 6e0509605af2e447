#include "rcnn/training/stages/evaluate_stage.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/base/progress.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/model_directory.h"
#include "rcnn/eval/contact_sheet.h"
#include "rcnn/eval/metrics.h"
#include "rcnn/eval/metrics_report.h"
#include "rcnn/eval/proposal_recall.h"
#include "rcnn/training/stages/detect_all.h"
#include "rcnn/training/stages/evaluation_events.h"
#include "rcnn/training/stages/exif_applied.h"
#include "rcnn/training/stages/inference_options.h"
#include "rcnn/training/stages/inferred_image.h"
#include "rcnn/training/stages/measure.h"
#include "rcnn/training/stages/run_report.h"
#include "rcnn/training/stages/stage_inputs.h"
#include "rcnn/training/stages/stage_model.h"
#include "rcnn/training/trainer/metrics_log.h"

namespace rcnn::training {
namespace {

using configs::StageConfig;
using detection::weights::StateDict;

// The detector with the limits that the stage sets.
configs::ModelConfig MakeModelConfig(const ExperimentRun& run,
                                     const configs::EvaluateConfig& config) {
  configs::ModelConfig model = run.config.model();
  if (config.has_proposal_limits()) {
    *model.mutable_rpn()->mutable_test_proposals() = config.proposal_limits();
  }
  if (config.has_detections()) *model.mutable_head()->mutable_detections() = config.detections();
  return model;
}

// Backbone, pyramid and head of one network, the RPN of another.
absl::StatusOr<StateDict> Joined(const StateDict& detector, const StateDict& rpn) {
  RCNN_RETURN_IF_ERROR(CheckSharedBackbone(rpn, detector));
  StateDict joined;
  for (const StateDict::Entry& entry : detector) {
    if (entry.name.rfind("rpn.", 0) != 0) joined.Add(entry.name, entry.tensor);
  }
  for (const StateDict::Entry& entry : rpn) {
    if (entry.name.rfind("rpn.", 0) == 0) joined.Add(entry.name, entry.tensor);
  }
  return joined;
}

configs::DetectorInputConfig MakeInputConfig(const configs::TransformConfig& transform) {
  configs::DetectorInputConfig input;
  const configs::ResizeConfig& resize = transform.resize();
  const int sides = resize.shortest_side_px_size();
  input.set_shortest_side_px(sides == 0 ? 0 : resize.shortest_side_px(sides - 1));
  input.set_longest_side_px(resize.longest_side_px());
  input.set_size_rounding(resize.rounding() == configs::ResizeConfig::DOWN
                              ? configs::DetectorInputConfig::DOWN
                              : configs::DetectorInputConfig::NEAREST);
  input.set_pad_to_multiple_px(transform.pad_to_multiple_px());
  return input;
}

// Writes the detector where detection::Detector finds it.
absl::Status WriteDetector(const ExperimentRun& run, const StageConfig& stage,
                           const configs::ModelConfig& model, const StateDict& state,
                           const data::Dataset& dataset) {
  configs::DetectorConfig config;
  *config.mutable_model() = SavedModelConfig(model);
  *config.mutable_input() = MakeInputConfig(run.config.data().transform());
  const auto exif_applied =
      FindExifApplied(run.config.data().train(), *run.datasets.at(configs::TRAIN));
  if (exif_applied) config.mutable_input()->set_exif_applied(*exif_applied);
  for (const std::string& name : dataset.classes().names) config.add_class_name(name);
  RCNN_RETURN_IF_ERROR(CheckMayWrite(run));
  return detection::WriteModelDirectory(run.directories.at(stage.name()), config, state);
}

// The networks of the stage. `joined` becomes the whole detector, if there is one.
absl::StatusOr<DetectionNetworks> BuildNetworks(const ExperimentRun& run, const StageConfig& stage,
                                                const data::Dataset& dataset, StateDict& joined) {
  const configs::EvaluateConfig& config = stage.evaluate();
  const configs::ModelConfig model = MakeModelConfig(run, config);
  const int64_t classes = dataset.classes().size();
  RCNN_ASSIGN_OR_RETURN(const StateDict detector, StageWeights(run, config.detector()));
  DetectionNetworks networks;
  if (!config.rpn().empty() && !config.unshared()) {
    RCNN_ASSIGN_OR_RETURN(const StateDict rpn, StageWeights(run, config.rpn()));
    RCNN_ASSIGN_OR_RETURN(joined, Joined(detector, rpn), absl::StrCat("stage ", stage.name()));
    RCNN_ASSIGN_OR_RETURN(networks.detector, MakeTrainedModel(model, classes, joined, run.device));
    networks.rpn = networks.detector;
    return networks;
  }
  const configs::StageConfig* source = FindStage(run.config, config.detector());
  RCNN_ASSIGN_OR_RETURN(networks.detector, MakeTrainedModel(StageModelConfig(model, *source),
                                                            classes, detector, run.device));
  if (!config.rpn().empty()) {
    RCNN_ASSIGN_OR_RETURN(const StateDict rpn, StageWeights(run, config.rpn()));
    source = FindStage(run.config, config.rpn());
    RCNN_ASSIGN_OR_RETURN(
        networks.rpn, MakeTrainedModel(StageModelConfig(model, *source), classes, rpn, run.device));
  }
  return networks;
}

absl::StatusOr<InferenceOptions> MakeOptions(const ExperimentRun& run, const StageConfig& stage,
                                             const data::Dataset& dataset) {
  const configs::EvaluateConfig& config = stage.evaluate();
  InferenceOptions options;
  options.transform = run.config.data().transform();
  options.loader = run.config.resources().loader();
  options.max_graphs = run.config.resources().inference_graphs();
  options.images_together = run.config.resources().inference_batch();
  options.started = run.started;
  options.progress = [&run](int64_t done) {
    if (run.progress) run.progress(done, "");
  };
  options.ranks = run.ranks;
  if (config.proposals().empty()) return options;
  options.max_proposals = config.max_proposals();
  RCNN_ASSIGN_OR_RETURN(options.proposals, StageProposals(run, config.proposals(), dataset));
  return options;
}

// "AP 0.724  AP50 0.926  AP75 0.834"
std::string Summarize(const eval::Report& report) {
  std::string text;
  for (const eval::Metric& metric : eval::ReportMetrics(report)) {
    for (const auto& [name, shown] :
         {std::pair("ap", "AP"), std::pair("ap50", "AP50"), std::pair("ap75", "AP75")}) {
      if (metric.name != name || !(metric.value >= 0)) continue;
      absl::StrAppendFormat(&text, "%s%s %.3f", text.empty() ? "" : "  ", shown, metric.value);
    }
  }
  return text;
}

// What the networks have found, and how good it is.
struct Evaluation {
  std::shared_ptr<const data::Dataset> dataset;
  eval::Detections detections = {};
  std::vector<InferredProposals> proposals = {};  // one entry for each image
  double seconds = 0;                             // for all images
  eval::Report report = {};
};

absl::Status Detect(const ExperimentRun& run, const StageConfig& stage,
                    const DetectionNetworks& networks, Evaluation& evaluation) {
  RCNN_ASSIGN_OR_RETURN(InferenceOptions options, MakeOptions(run, stage, *evaluation.dataset));
  options.take_proposals = [&](InferredProposals found) {
    evaluation.proposals.push_back(std::move(found));
  };
  const absl::Time start = MonotonicNow();
  RCNN_ASSIGN_OR_RETURN(evaluation.detections, DetectAll(networks, evaluation.dataset, options));
  evaluation.seconds = absl::ToDoubleSeconds(MonotonicNow() - start);
  return absl::OkStatus();
}

absl::Status Measure(const StageConfig& stage, Evaluation& evaluation) {
  RCNN_ASSIGN_OR_RETURN(evaluation.report,
                        MeasureDetections(*evaluation.dataset, evaluation.detections));
  evaluation.report.dataset = absl::StrCat(
      "data.", absl::AsciiStrToLower(configs::DatasetRole_Name(stage.evaluate().dataset())));
  evaluation.report.detections = "detections.json";
  return absl::OkStatus();
}

absl::Status WriteFiles(const ExperimentRun& run, const StageConfig& stage,
                        const Evaluation& evaluation) {
  const std::shared_ptr<const data::Dataset>& dataset = evaluation.dataset;
  const eval::Detections& detections = evaluation.detections;
  const eval::Report& report = evaluation.report;
  const auto path = [&](const char* file) { return StageFilePath(run, stage.name(), file); };
  RCNN_RETURN_IF_ERROR(CheckMayWrite(run));
  RCNN_RETURN_IF_ERROR(eval::WriteDetections(path("detections.json"), detections));
  RCNN_RETURN_IF_ERROR(CheckMayWrite(run));
  RCNN_RETURN_IF_ERROR(
      WriteFileAtomically(path("metrics.json"), eval::ReportToJson(report)).status());
  RCNN_RETURN_IF_ERROR(CheckMayWrite(run));
  RCNN_RETURN_IF_ERROR(eval::WriteSampleSheet(*dataset, detections, path("contact_sheet.jpg")));
  const eval::ProposalRecall recall = MeasureProposals(*dataset, evaluation.proposals);
  RCNN_RETURN_IF_ERROR(CheckMayWrite(run));
  RCNN_RETURN_IF_ERROR(
      WriteRunReport(run, dataset, detections, report, recall, path("report.html")));
  RCNN_RETURN_IF_ERROR(CheckMayWrite(run));
  RCNN_RETURN_IF_ERROR(LogOnce(run.directories.at(stage.name()), run.events_directory, stage.name(),
                               dataset->size(),
                               DetectionNumbers(report, configs::ValidationConfig::AP)));
  RCNN_RETURN_IF_ERROR(CheckMayWrite(run));
  return WriteEvaluationEvents(run, stage.name(), *dataset, detections, evaluation.proposals);
}

StageResult MakeResult(const Evaluation& evaluation) {
  const int64_t images = evaluation.dataset->size();
  StageResult result = {
      {"detections.json", "metrics.json", "metrics.jsonl", "contact_sheet.jpg", "report.html"}, ""};
  result.summary = Summarize(evaluation.report);
  result.report = absl::StrCat(
      eval::FormatReport(evaluation.report), "reading an image and detecting its objects: ",
      HumanDuration(
          absl::Seconds(evaluation.seconds / static_cast<double>(std::max<int64_t>(images, 1)))),
      ", the mean of ", Counted(images, "image"), "\n");
  return result;
}

}  // namespace

absl::StatusOr<StageResult> RunEvaluateStage(const ExperimentRun& run, const StageConfig& stage) {
  Evaluation evaluation;
  RCNN_ASSIGN_OR_RETURN(evaluation.dataset, FindDataset(run, stage.evaluate().dataset()));
  const data::Dataset& dataset = *evaluation.dataset;
  StateDict joined;
  RCNN_ASSIGN_OR_RETURN(const DetectionNetworks networks,
                        BuildNetworks(run, stage, dataset, joined));
  RCNN_RETURN_IF_ERROR(Detect(run, stage, networks, evaluation));
  if (!IsFirstRank(run)) return StageResult();
  RCNN_RETURN_IF_ERROR(Measure(stage, evaluation));
  RCNN_RETURN_IF_ERROR(WriteFiles(run, stage, evaluation));
  StageResult result = MakeResult(evaluation);
  if (joined.empty()) return result;
  RCNN_RETURN_IF_ERROR(
      WriteDetector(run, stage, MakeModelConfig(run, stage.evaluate()), joined, dataset));
  result.outputs.push_back(detection::kModelConfigFile);
  result.outputs.push_back(detection::kModelWeightsFile);
  return result;
}

}  // namespace rcnn::training
