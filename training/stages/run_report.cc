#include "rcnn/training/stages/run_report.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/program.h"
#include "rcnn/base/runtime.h"
#include "rcnn/base/shell_command.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/eval/dataset_ground_truth.h"
#include "rcnn/eval/html/evaluated_run.h"
#include "rcnn/eval/html/loss_curves.h"
#include "rcnn/eval/html/report_page.h"
#include "rcnn/training/config/experiment.h"

namespace rcnn::training {
namespace {

// Stages without losses have no file, and a file that is too large is left out.
absl::StatusOr<std::vector<eval::TrainingCurve>> RunCurves(const ExperimentRun& run) {
  std::vector<eval::TrainingCurve> curves;
  for (const configs::StageConfig& stage : run.config.stages()) {
    const auto directory = run.directories.find(stage.name());
    if (directory == run.directories.end()) continue;
    const auto lines = ReadFile(absl::StrCat(directory->second, "/metrics.jsonl"));
    if (IsDamage(lines.status()) || absl::IsResourceExhausted(lines.status())) continue;
    RCNN_RETURN_IF_ERROR(lines.status());
    for (eval::TrainingCurve& curve : eval::LossCurves(stage.name(), *lines)) {
      curves.push_back(std::move(curve));
    }
  }
  return curves;
}

}  // namespace

absl::Status WriteRunReport(const ExperimentRun& run,
                            const std::shared_ptr<const data::Dataset>& dataset,
                            const eval::Detections& detections, const eval::Report& report,
                            const eval::ProposalRecall& proposals, const std::string& path) {
  const eval::GroundTruth truth = eval::FromDataset(*dataset);
  eval::ReportPageInput input;
  input.title = run.config.name();
  input.truth = &truth;
  input.detections = &detections;
  input.report = &report;
  input.proposals = &proposals;
  input.load_image = eval::DatasetImages(dataset, truth);
  input.ignore_difficult = std::any_of(truth.annotations.begin(), truth.annotations.end(),
                                       [](const eval::Annotation& a) { return a.difficult; });
  RCNN_ASSIGN_OR_RETURN(input.training, RunCurves(run));
  input.config = ExperimentText(run.config);
  const RuntimeInfo runtime = GetRuntimeInfo();
  input.environment = {{"experiment", run.config.name()},
                       {"measured on", report.dataset},
                       {"fingerprint of the dataset", dataset->fingerprint()},
                       {"rcnn", Version()},
                       {"LibTorch", runtime.libtorch_version},
                       {"BLAS kernels", runtime.blas_core}};
  input.commands = {
      BazelCommand("//training:stage_scheduler", {"--config=RUN/experiment.textproto",
                                                  "--data_root=DATA", "--run_dir=runs/again"}),
      BazelCommand("//eval:report", {"--compare", "RUN", "OTHER_RUN", "--data_root=DATA"})};
  RCNN_ASSIGN_OR_RETURN(const std::string page, eval::MakeReportPage(input));
  return WriteFileAtomically(path, page).status();
}

}  // namespace rcnn::training
