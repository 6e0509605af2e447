// A report of a result as one HTML file, or of two results side by side.
//
//   bazel run //eval:report -- runs/cells
//   bazel run //eval:report -- --compare runs/before runs/after
//   bazel run //eval:report -- --compare before.json after.json --dataset=instances_val.json
//
// Exit codes: 0 written, 1 an error in what was given, 2 a wrong flag.

#include <gflags/gflags.h>

#include <cstdio>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/program.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/sources/dataset_flag.h"
#include "rcnn/eval/coco_options.h"
#include "rcnn/eval/compare/bootstrap.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/html/comparison_page.h"
#include "rcnn/eval/html/evaluated_run.h"
#include "rcnn/eval/html/file_images.h"
#include "rcnn/eval/html/report_page.h"
#include "rcnn/eval/load_ground_truth.h"
#include "rcnn/eval/load_results.h"
#include "rcnn/eval/metrics_report.h"
#include "rcnn/eval/parallel_for.h"
#include "rcnn/eval/voc_eval.h"

DEFINE_bool(compare, false, "Compare two results, A and B, instead of showing one.");
DEFINE_string(dataset, "", rcnn::data::kDatasetFlagHelp);
DEFINE_string(data_root, "",
              "Folder that relative paths of a run's datasets start from. Default: as in the run.");
DEFINE_string(iou_type, "bbox",
              "Contents of the results files: bbox, segm (masks) or keypoints. segm and keypoints "
              "need --dataset.");
DEFINE_string(images, "",
              "Folder of a COCO file's images. Without it boxes are drawn without images.");
DEFINE_string(out, "", "HTML file to write. Default: report.html, or comparison.html.");
DEFINE_int64(resamples, 1000, "Number of bootstrap draws, for --compare.");
DEFINE_double(confidence, 0.95, "Confidence level of the intervals, for --compare.");
DEFINE_int64(seed, 1, "Seed of the bootstrap, for --compare.");

namespace rcnn::eval {
namespace {

// The dataset of the results.
struct Measured {
  std::string name;
  RunDataset run;  // of --dataset only the ground truth
  LoadImageFunction load_image;
};

absl::StatusOr<Measured> OpenMeasured(const std::string& result) {
  Measured measured;
  if (!FLAGS_dataset.empty()) {
    measured.name = FLAGS_dataset;
    measured.run.voc = absl::StartsWith(FLAGS_dataset, "voc:");
    RCNN_ASSIGN_OR_RETURN(measured.run.truth, LoadGroundTruth(FLAGS_dataset),
                          absl::StrCat("--dataset=", FLAGS_dataset));
    return measured;
  }
  if (!IsRunDirectory(result)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--dataset is needed: ", result,
                     " is not a run directory, which would name its dataset; "
                     "for example --dataset=instances_val.json"));
  }
  measured.name = absl::StrCat("the test images of ", result);
  RCNN_ASSIGN_OR_RETURN(measured.run, OpenRunDataset(result, FLAGS_data_root));
  return measured;
}

// Once the ground truth lies where it stays.
void OpenImages(Measured& measured) {
  measured.load_image = measured.run.dataset == nullptr
                            ? FileImages(measured.run.truth, FLAGS_images)
                            : DatasetImages(measured.run.dataset, measured.run.truth);
}

// A results file in any form, or the detections of a run's last evaluation.
absl::StatusOr<Results> LoadResult(const std::string& path, GroundTruth& truth) {
  LoadResultsOptions options;
  options.dataset = FLAGS_dataset;
  RCNN_ASSIGN_OR_RETURN(options.iou_type, ParseIouType(FLAGS_iou_type), "--iou_type");
  const std::string file = IsRunDirectory(path) ? absl::StrCat(path, "/detections.json") : path;
  RCNN_ASSIGN_OR_RETURN(Results results, LoadResults(file, options, truth), path);
  AddBoxes(results);
  return results;
}

std::vector<std::pair<std::string, std::string>> Environment(const Measured& measured) {
  return {{"measured on", measured.name},
          {"made", absl::FormatTime("%Y-%m-%d %H:%M UTC", absl::Now(), absl::UTCTimeZone())},
          {"rcnn", Version()},
          {"cores", absl::StrCat(AllowedCores())}};
}

absl::Status Write(const std::string& default_file, const std::string& page) {
  const std::string file = FLAGS_out.empty() ? default_file : FLAGS_out;
  RCNN_RETURN_IF_ERROR(WriteFileAtomically(file, page).status(), "--out");
  std::printf("%s\n", file.c_str());
  return absl::OkStatus();
}

absl::Status ShowOne(const std::string& result) {
  RCNN_ASSIGN_OR_RETURN(Measured measured, OpenMeasured(result));
  OpenImages(measured);
  GroundTruth& truth = measured.run.truth;
  RCNN_ASSIGN_OR_RETURN(const Results results, LoadResult(result, truth));
  const Detections& detections = results.detections;
  Report report;
  report.voc07 = measured.run.voc && results.shapes == nullptr;
  CocoEvalOptions options =
      FLAGS_iou_type == "keypoints" ? CocoKeypointOptions() : CocoEvalOptions();
  RCNN_ASSIGN_OR_RETURN(options.iou_type, ParseIouType(FLAGS_iou_type));
  RCNN_ASSIGN_OR_RETURN(report.coco, EvaluateResults(truth, results, options));
  if (report.voc07) {
    RCNN_ASSIGN_OR_RETURN(report.voc, EvaluateVoc(truth, detections));
  }
  ReportPageInput input;
  input.title = result;
  input.truth = &truth;
  input.detections = &detections;
  input.report = &report;
  input.shapes = results.shapes.get();
  input.load_image = measured.load_image;
  input.ignore_difficult = measured.run.voc;
  input.training = measured.run.training;
  input.config = measured.run.config;
  input.environment = Environment(measured);
  input.commands = {absl::StrJoin(gflags::GetArgvs(), " ")};
  RCNN_ASSIGN_OR_RETURN(const std::string page, MakeReportPage(input), result);
  return Write("report.html", page);
}

absl::Status Compare(const std::string& a, const std::string& b) {
  RCNN_ASSIGN_OR_RETURN(Measured measured, OpenMeasured(a));
  OpenImages(measured);
  GroundTruth& truth = measured.run.truth;
  RCNN_ASSIGN_OR_RETURN(const Results results_a, LoadResult(a, truth));
  RCNN_ASSIGN_OR_RETURN(const Results results_b, LoadResult(b, truth));
  const Detections& of_a = results_a.detections;
  const Detections& of_b = results_b.detections;
  CompareOptions options;
  options.resamples = FLAGS_resamples;
  options.confidence = FLAGS_confidence;
  options.seed = static_cast<uint64_t>(FLAGS_seed);
  RCNN_ASSIGN_OR_RETURN(const Comparison comparison, CompareDetections(truth, of_a, of_b, options));
  std::printf("%s\n", PrintableLines(FormatComparison(comparison, truth)).c_str());
  ComparisonPageInput input;
  input.title = absl::StrCat(a, " and ", b);
  input.truth = &truth;
  input.a = {a, &of_a};
  input.b = {b, &of_b};
  input.comparison = &comparison;
  input.load_image = measured.load_image;
  input.ignore_difficult = measured.run.voc;
  input.environment = Environment(measured);
  input.commands = {absl::StrJoin(gflags::GetArgvs(), " ")};
  RCNN_ASSIGN_OR_RETURN(const std::string page, MakeComparisonPage(input));
  return Write("comparison.html", page);
}

absl::Status Run(const std::vector<std::string>& results) {
  RCNN_RETURN_IF_ERROR(ParseIouType(FLAGS_iou_type).status(), "--iou_type");
  if (FLAGS_iou_type != "bbox" && FLAGS_dataset.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--iou_type=", FLAGS_iou_type, " needs --dataset, a COCO instances file"));
  }
  if (FLAGS_iou_type != "bbox" && FLAGS_compare) {
    return absl::InvalidArgumentError(
        absl::StrCat("--compare compares boxes, --iou_type is ", FLAGS_iou_type));
  }
  const size_t wanted = FLAGS_compare ? 2 : 1;
  if (results.size() != wanted) {
    return absl::InvalidArgumentError(absl::StrCat(
        results.size(), " results given, expected ", wanted,
        ": run directories or results "
        "files, as in `report runs/cells` or `report --compare runs/before runs/after`"));
  }
  if (!FLAGS_out.empty()) RCNN_RETURN_IF_ERROR(AtomicFile::Create(FLAGS_out).status(), "--out");
  return FLAGS_compare ? Compare(results[0], results[1]) : ShowOne(results[0]);
}

}  // namespace
}  // namespace rcnn::eval

int main(int argc, char** argv) {
  rcnn::ProgramOptions program;
  program.takes_arguments = true;
  program.usage =
      "Shows a result, or compares two, as one HTML file.\n\n"
      "  report runs/cells --data_root=DATA --out=report.html\n"
      "  report --compare before.json after.json --dataset=instances_val.json --images=val2017";
  rcnn::InitProgram(program, &argc, &argv);
  return rcnn::ExitCode(rcnn::eval::Run(std::vector<std::string>(argv + 1, argv + argc)));
}
