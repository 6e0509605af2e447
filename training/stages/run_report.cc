#include "rcnn/training/stages/run_report.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/program.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/eval/dataset_ground_truth.h"
#include "rcnn/eval/html/evaluated_run.h"
#include "rcnn/eval/html/report_page.h"
#include "rcnn/training/config/experiment.h"

namespace rcnn::training {
namespace {

using Points = std::vector<std::pair<double, double>>;

// Far more than a line of metrics has. ordered_json takes the square of the fields' number.
constexpr size_t kLongestLine = 64 << 10;

// Means of runs of points, so that about `most` are left.
Points Thin(const Points& points, size_t most) {
  const size_t run = (points.size() + most - 1) / std::max<size_t>(most, 1);
  if (run <= 1) return points;
  Points thin;
  for (size_t begin = 0; begin < points.size(); begin += run) {
    const size_t end = std::min(begin + run, points.size());
    double sum = 0;
    for (size_t i = begin; i < end; ++i) sum += points[i].second;
    thin.push_back({points[end - 1].first, sum / static_cast<double>(end - begin)});
  }
  return thin;
}

std::vector<eval::TrainingCurve> RunCurves(const ExperimentRun& run) {
  std::vector<eval::TrainingCurve> curves;
  for (const configs::StageConfig& stage : run.config.stages()) {
    const auto directory = run.directories.find(stage.name());
    if (directory == run.directories.end()) continue;
    const auto lines = ReadFile(absl::StrCat(directory->second, "/metrics.jsonl"));
    if (!lines.ok()) continue;
    for (eval::TrainingCurve& curve : LossCurves(stage.name(), *lines)) {
      curves.push_back(std::move(curve));
    }
  }
  return curves;
}

}  // namespace

std::vector<eval::TrainingCurve> LossCurves(const std::string& stage, absl::string_view lines,
                                            size_t most_points) {
  std::vector<std::string> names;
  std::map<std::string, Points> points;
  for (absl::string_view line : absl::StrSplit(lines, '\n', absl::SkipEmpty())) {
    if (line.size() > kLongestLine) continue;
    const auto json = nlohmann::ordered_json::parse(line.begin(), line.end(), nullptr,
                                                    /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("iteration") || !json["iteration"].is_number())
      continue;
    const double iteration = json["iteration"].get<double>();
    for (const auto& [name, value] : json.items()) {
      if (!absl::StartsWith(name, "loss") || !value.is_number()) continue;
      Points& of_name = points[name];
      if (of_name.empty()) names.push_back(name);
      of_name.push_back({iteration, value.get<double>()});
    }
  }
  std::vector<eval::TrainingCurve> curves;
  for (const std::string& name : names) {
    const std::string shown = absl::StartsWith(name, "loss_") ? name.substr(5) : name;
    curves.push_back({stage, shown, Thin(points[name], most_points)});
  }
  return curves;
}

absl::Status WriteRunReport(const ExperimentRun& run,
                            const std::shared_ptr<const data::Dataset>& dataset,
                            const eval::Detections& detections, const eval::Report& report,
                            const std::string& path) {
  const eval::GroundTruth truth = eval::FromDataset(*dataset);
  eval::ReportPageInput input;
  input.title = run.config.name();
  input.truth = &truth;
  input.detections = &detections;
  input.report = &report;
  input.load_image = eval::DatasetImages(dataset, truth);
  input.ignore_difficult = std::any_of(truth.annotations.begin(), truth.annotations.end(),
                                       [](const eval::Annotation& a) { return a.difficult; });
  input.training = RunCurves(run);
  input.config = ExperimentText(run.config);
  input.environment = {{"experiment", run.config.name()},
                       {"measured on", report.dataset},
                       {"fingerprint of the dataset", dataset->fingerprint()},
                       {"rcnn", Version()}};
  input.commands = {
      "bazel run //training:stage_scheduler -- --config=experiment.textproto --data_root=DATA",
      "bazel run //eval:report -- --compare RUN OTHER_RUN --data_root=DATA"};
  RCNN_ASSIGN_OR_RETURN(const std::string page, eval::MakeReportPage(input));
  return WriteFileAtomically(path, page).status();
}

}  // namespace rcnn::training
