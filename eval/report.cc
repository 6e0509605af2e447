// A report of a result as one HTML file, or of two results side by side.
//
//   ./bazelw run //eval:report -- runs/cells
//   ./bazelw run //eval:report -- --compare runs/before runs/after
//   ./bazelw run //eval:report -- --compare before.json after.json --dataset=instances_val.json
//
// Exit codes: 0 written, 1 an error in what was given, 2 a wrong flag.

#include <gflags/gflags.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/path_length.h"
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
#include "rcnn/eval/output_files.h"
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
DEFINE_bool(skip_unknown_categories, false,
            "Ignore detections of categories that the dataset does not have instead of failing.");
DEFINE_string(out, "", "HTML file to write. Default: report.html, or comparison.html.");
DEFINE_int64(resamples, 1000, "Number of bootstrap draws, for --compare.");
DEFINE_double(confidence, 0.95, "Confidence level of the intervals, for --compare.");
DEFINE_int64(seed, 1, "Seed of the bootstrap, for --compare.");

namespace rcnn::eval {
namespace {

// The dataset of the results.
struct Measured {
  std::string name;
  RunDataset run;  // with --dataset only its ground truth
  LoadImageFunction load_image;
};

// The runs among the results must have been evaluated on one dataset: ids of another one
// may name other images.
absl::Status CheckSameDataset(const std::string& first, const RunDataset& run,
                              const std::string& other) {
  RCNN_ASSIGN_OR_RETURN(const RunDataset other_run, OpenRunDataset(other, FLAGS_data_root));
  if (run.dataset->fingerprint() == other_run.dataset->fingerprint()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(first, " and ", other,
                   " were evaluated on different datasets; give the dataset to compare them on "
                   "with --dataset"));
}

absl::StatusOr<Measured> OpenMeasured(const std::vector<std::string>& results) {
  Measured measured;
  if (!FLAGS_dataset.empty()) {
    measured.name = FLAGS_dataset;
    RCNN_ASSIGN_OR_RETURN(measured.run.truth,
                          LoadGroundTruth(FLAGS_dataset, /*options=*/{}, &measured.run.voc),
                          ShownFlag("--dataset", FLAGS_dataset));
    RCNN_RETURN_IF_ERROR(CheckImagesFolder(measured.run.truth, FLAGS_images), "--images");
    return measured;
  }
  std::vector<std::string> runs;
  for (const std::string& result : results) {
    RCNN_ASSIGN_OR_RETURN(const bool is_run, IsRunDirectory(result));
    if (is_run) runs.push_back(result);
  }
  if (runs.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--dataset is needed: ", ShownPath(results.front()),
                     " is not a run directory, which would name its dataset; "
                     "for example --dataset=instances_val.json"));
  }
  measured.name = absl::StrCat("the test images of ", runs.front());
  RCNN_ASSIGN_OR_RETURN(measured.run, OpenRunDataset(runs.front(), FLAGS_data_root));
  for (size_t i = 1; i < runs.size(); ++i) {
    RCNN_RETURN_IF_ERROR(CheckSameDataset(runs.front(), measured.run, runs[i]));
  }
  return measured;
}

// To be called once `measured` no longer moves: the images refer to its ground truth.
void OpenImages(Measured& measured) {
  measured.load_image = measured.run.dataset == nullptr
                            ? FileImages(measured.run.truth, FLAGS_images)
                            : DatasetImages(measured.run.dataset, measured.run.truth);
}

// A results file, or that of a run's last evaluation.
absl::StatusOr<std::string> ResultsFile(const std::string& result) {
  RCNN_ASSIGN_OR_RETURN(const bool is_run, IsRunDirectory(result));
  return is_run ? absl::StrCat(result, "/detections.json") : result;
}

absl::StatusOr<Results> LoadResult(const std::string& path, GroundTruth& truth) {
  LoadResultsOptions options;
  options.dataset = FLAGS_dataset;
  options.skip_unknown_categories = FLAGS_skip_unknown_categories;
  RCNN_ASSIGN_OR_RETURN(options.iou_type, ParseIouType(FLAGS_iou_type), "--iou_type");
  RCNN_ASSIGN_OR_RETURN(const std::string file, ResultsFile(path));
  RCNN_ASSIGN_OR_RETURN(Results results, LoadResults(file, options, truth));
  if (results.unknown_categories > 0) {
    std::fprintf(stderr, "%s: left out %s of unknown categories\n", Printable(path).c_str(),
                 Counted(results.unknown_categories, "detection").c_str());
  }
  AddBoxes(results);
  return results;
}

std::vector<std::pair<std::string, std::string>> Environment(const Measured& measured) {
  return {{"measured on", measured.name},
          {"made", absl::FormatTime("%Y-%m-%d %H:%M UTC", absl::Now(), absl::UTCTimeZone())},
          {"rcnn", Version()},
          {"cores", absl::StrCat(AllowedCores())}};
}

std::string OutFile() {
  if (!FLAGS_out.empty()) return FLAGS_out;
  return FLAGS_compare ? "comparison.html" : "report.html";
}

absl::Status Write(const std::string& page) {
  const std::string file = OutFile();
  RCNN_RETURN_IF_ERROR(WriteFileAtomically(file, page).status(), "--out");
  std::printf("%s\n", Printable(file).c_str());
  return absl::OkStatus();
}

absl::Status ShowOne(const std::string& result) {
  RCNN_ASSIGN_OR_RETURN(Measured measured, OpenMeasured({result}));
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
  input.commands = {StartedCommand()};
  RCNN_ASSIGN_OR_RETURN(const std::string page, MakeReportPage(input), result);
  return Write(page);
}

absl::Status Compare(const std::string& a, const std::string& b) {
  RCNN_ASSIGN_OR_RETURN(Measured measured, OpenMeasured({a, b}));
  OpenImages(measured);
  GroundTruth& truth = measured.run.truth;
  RCNN_ASSIGN_OR_RETURN(const Results results_a, LoadResult(a, truth));
  RCNN_ASSIGN_OR_RETURN(const Results results_b, LoadResult(b, truth));
  const Detections& detections_a = results_a.detections;
  const Detections& detections_b = results_b.detections;
  CompareOptions options;
  options.resamples = FLAGS_resamples;
  options.confidence = FLAGS_confidence;
  options.seed = static_cast<uint64_t>(FLAGS_seed);
  RCNN_ASSIGN_OR_RETURN(const Comparison comparison,
                        CompareDetections(truth, detections_a, detections_b, options));
  std::printf("%s\n", PrintableLines(FormatComparison(comparison, truth)).c_str());
  ComparisonPageInput input;
  input.truth = &truth;
  input.a = {a, &detections_a};
  input.b = {b, &detections_b};
  input.comparison = &comparison;
  input.load_image = measured.load_image;
  input.ignore_difficult = measured.run.voc;
  input.environment = Environment(measured);
  input.commands = {StartedCommand()};
  RCNN_ASSIGN_OR_RETURN(const std::string page, MakeComparisonPage(input));
  return Write(page);
}

absl::Status CheckFiles(const std::vector<std::string>& results) {
  if (FLAGS_dataset.empty() && !FLAGS_images.empty()) {
    return absl::InvalidArgumentError(
        "--images is the folder of the images of --dataset; a run names its own images");
  }
  if (!FLAGS_dataset.empty() && !FLAGS_data_root.empty()) {
    return absl::InvalidArgumentError(
        "--data_root is for the dataset that a run names; with --dataset give whole paths");
  }
  RCNN_RETURN_IF_ERROR(CheckPathLength("--images", FLAGS_images, "give the folder of the images"));
  RCNN_RETURN_IF_ERROR(
      CheckPathLength("--data_root", FLAGS_data_root, "give the folder of the data"));
  std::vector<NamedFile> inputs;
  for (const std::string& result : results) {
    RCNN_RETURN_IF_ERROR(CheckPathLength("", result, "give a run directory or a results file"));
    RCNN_ASSIGN_OR_RETURN(const std::string file, ResultsFile(result));
    inputs.push_back({"a result", file});
  }
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> files, GroundTruthFiles(FLAGS_dataset),
                        ShownFlag("--dataset", FLAGS_dataset));
  for (const std::string& file : files) inputs.push_back({"--dataset", file});
  return CheckOutputs({{"--out", OutFile()}}, inputs);
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
  RCNN_RETURN_IF_ERROR(CheckFiles(results));
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
