// The official numbers of a results file: COCO's and VOC's.
//
//   ./bazelw run //eval:evaluate -- --dataset=instances_val.json --detections=results.json
//
// Exit codes: 0 success, 1 invalid input, 2 a wrong flag, 3 a metric below its
// minimum.

#include <gflags/gflags.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/path_length.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/program.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/data/sources/dataset_flag.h"
#include "rcnn/eval/coco_flags.h"
#include "rcnn/eval/coco_options.h"
#include "rcnn/eval/coco_similarity.h"
#include "rcnn/eval/contact_sheet.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/errors/detection_errors.h"
#include "rcnn/eval/errors/errors_json.h"
#include "rcnn/eval/errors/label_errors.h"
#include "rcnn/eval/errors/oracle_fixes.h"
#include "rcnn/eval/ground_truth.h"
#include "rcnn/eval/html/file_images.h"
#include "rcnn/eval/html/report_page.h"
#include "rcnn/eval/load_ground_truth.h"
#include "rcnn/eval/load_results.h"
#include "rcnn/eval/metrics.h"
#include "rcnn/eval/metrics_report.h"
#include "rcnn/eval/output_files.h"
#include "rcnn/eval/parallel_for.h"
#include "rcnn/eval/voc_eval.h"

DEFINE_string(dataset, "", rcnn::data::kDatasetFlagHelp);
DEFINE_string(split, "", "Part of a folder: train, val, test; empty or all: all of it.");
DEFINE_string(run_dir, "",
              "Run directory with the recorded split of the folder, for a part that the folder "
              "lacks. Default: split it now.");
DEFINE_bool(follow_links, true, "Follow symbolic links that lead out of a folder.");
DEFINE_string(box_units, "",
              "For a folder: the unit of boxes, pixels or fractions of the image's "
              "sides. Default: that of the format.");
DEFINE_string(exif_orientation, "",
              "For a folder: whether boxes are of the images as turned by their EXIF orientation, "
              "applied or not_applied. Default: as the annotated sizes say.");
DEFINE_string(detections, "",
              "Detections: COCO results JSON, VOC's comp4_det_test_<class>.txt or a folder of "
              "them, a folder of YOLO's <image>.txt with a confidence, or CSV.");
DEFINE_string(iou_type, "bbox",
              "Shapes that the COCO metrics compare: bbox, segm (masks) or keypoints.");
DEFINE_string(metrics, "coco", "Any of coco, voc07, voc10, separated by commas.");
DEFINE_string(out, "", "JSON file for all numbers.");
DEFINE_double(min_ap, 0, "Minimum COCO AP; below it the exit code is 3.");
DEFINE_double(min_ap50, 0, "Minimum COCO AP at IoU 0.5.");
DEFINE_double(min_ap75, 0, "Minimum COCO AP at IoU 0.75.");
DEFINE_double(min_voc07, 0, "Minimum VOC07 mAP.");
DEFINE_double(min_voc10, 0, "Minimum VOC10 mAP.");
DEFINE_string(min_metrics, "",
              "Minimums for other metrics by their names in the JSON output, for example "
              "ap_small=0.1,ar100=0.5.");
DEFINE_string(iou_thresholds, "", "IoU thresholds of the COCO metrics. Default: the official ten.");
DEFINE_string(max_detections, "1,10,100,1000",
              "Number of detections per image and class that count for the COCO metrics. AP "
              "itself is defined at 100.");
DEFINE_string(areas, "",
              "Additional area ranges of the COCO metrics in square pixels, NAME:LOW:HIGH, "
              "separated by commas; an official name replaces the official range.");
DEFINE_bool(voc_text_rounding, false,
            "Round scores and boxes as the text files of 2015 did before computing VOC metrics.");
DEFINE_bool(skip_unknown_categories, false,
            "Ignore detections of categories that the dataset does not have, as pycocotools "
            "does, instead of failing.");
DEFINE_string(worst_images, "",
              "Folder for drawings of the worst images: one JPEG each, and contact_sheet.jpg of "
              "all.");
DEFINE_string(images, "", "Folder of a COCO file's images, for --worst_images and --report.");
DEFINE_string(report, "",
              "HTML file to write: metrics, cost of errors, examples, curves, confusion, "
              "calibration, suspected labels. With --images it shows the images.");
DEFINE_string(export_suspects, "",
              "COCO JSON to write for a labelling tool: annotations that are likely missing, "
              "misplaced or of the wrong class, the most suspicious first.");
DEFINE_string(
    export_errors, "",
    "JSON to write: number and cost of each kind of error, overall, by size and by class, "
    "and its number on each image.");
DEFINE_int32(num_worst_images, 12, "Number of worst images to draw.");
DEFINE_double(worst_images_score, 0.5,
              "Detections with at least this score are drawn and classified.");

namespace rcnn::eval {
namespace {

constexpr int kBelowFloor = 3;

// The request made by the flags.
struct Request {
  bool coco = false;
  bool voc07 = false;
  bool voc10 = false;
  CocoEvalOptions options;
  std::vector<Metric> floors;
};

absl::StatusOr<CocoEvalOptions> OptionsFromFlags() {
  RCNN_ASSIGN_OR_RETURN(const IouType iou_type, ParseIouType(FLAGS_iou_type), "--iou_type");
  const bool keypoints = iou_type == IouType::kKeypoints;
  CocoEvalOptions options = keypoints ? CocoKeypointOptions() : CocoEvalOptions();
  options.iou_type = iou_type;
  RCNN_ASSIGN_OR_RETURN(std::vector<double> ious,
                        ParseNumbers("iou_thresholds", FLAGS_iou_thresholds));
  if (!ious.empty()) options.iou_thresholds = ious;
  RCNN_RETURN_IF_ERROR(CheckOptions(options), "--iou_thresholds");
  if (!keypoints || !gflags::GetCommandLineFlagInfoOrDie("max_detections").is_default) {
    RCNN_ASSIGN_OR_RETURN(options.max_detections,
                          ParseCounts("max_detections", FLAGS_max_detections));
  }
  RCNN_RETURN_IF_ERROR(CheckOptions(options), "--max_detections");
  RCNN_RETURN_IF_ERROR(AddAreas(FLAGS_areas, options.areas));
  RCNN_RETURN_IF_ERROR(CheckOptions(options), "--areas");
  return options;
}

absl::StatusOr<std::vector<Metric>> FloorsFromFlags() {
  RCNN_ASSIGN_OR_RETURN(std::vector<Metric> floors, ParseFloors(FLAGS_min_metrics),
                        "--min_metrics");
  const std::pair<const char*, double> named[] = {{"ap", FLAGS_min_ap},
                                                  {"ap50", FLAGS_min_ap50},
                                                  {"ap75", FLAGS_min_ap75},
                                                  {"voc07", FLAGS_min_voc07},
                                                  {"voc10", FLAGS_min_voc10}};
  for (const auto& [name, floor] : named) {
    const std::string flag = absl::StrCat("min_", name);
    if (gflags::GetCommandLineFlagInfoOrDie(flag.c_str()).is_default) continue;
    floors.push_back({name, floor});
  }
  for (const Metric& floor : floors) {
    // No metric is below a NaN or negative minimum, so the check would always pass.
    if (floor.value >= 0 && floor.value <= 1) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("a --min_ flag: the minimum of ", floor.name, " is ", floor.value,
                     ", which is not in [0, 1]: metrics are fractions, 0.5 where tables say 50"));
  }
  return floors;
}

data::DatasetFlagOptions FolderFromFlags() {
  data::DatasetFlagOptions folder;
  folder.part = FLAGS_split;
  folder.follow_links = FLAGS_follow_links;
  folder.box_units = FLAGS_box_units;
  folder.exif_orientation = FLAGS_exif_orientation;
  if (!FLAGS_run_dir.empty()) folder.split_directory = FLAGS_run_dir + "/split";
  return folder;
}

absl::StatusOr<Results> LoadDetections(const Request& request, GroundTruth& truth) {
  RCNN_ASSIGN_OR_RETURN(Results results,
                        LoadResults(FLAGS_detections,
                                    {.dataset = FLAGS_dataset,
                                     .folder = FolderFromFlags(),
                                     .iou_type = request.options.iou_type,
                                     .skip_unknown_categories = FLAGS_skip_unknown_categories},
                                    truth));
  if (results.unknown_categories > 0) {
    std::fprintf(stderr, "%s: left out %s of unknown categories\n",
                 Printable(FLAGS_detections).c_str(),
                 Counted(results.unknown_categories, "detection").c_str());
  }
  if (results.detections.size() == 0) {
    std::fprintf(stderr, "%s: no detections\n", Printable(FLAGS_detections).c_str());
  }
  return results;
}

absl::Status ParseMetrics(Request& request) {
  for (absl::string_view metric : absl::StrSplit(FLAGS_metrics, ',', absl::SkipWhitespace())) {
    bool* wanted = metric == "coco"    ? &request.coco
                   : metric == "voc07" ? &request.voc07
                   : metric == "voc10" ? &request.voc10
                                       : nullptr;
    if (wanted == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("--metrics: '", metric, "' is not one of coco, voc07, voc10"));
    }
    *wanted = true;
  }
  if ((request.voc07 || request.voc10) && FLAGS_iou_type != "bbox") {
    return absl::InvalidArgumentError(absl::StrCat("--metrics=", FLAGS_metrics,
                                                   ": VOC's metrics are of boxes, --iou_type is ",
                                                   FLAGS_iou_type));
  }
  if (request.coco || request.voc07 || request.voc10) return absl::OkStatus();
  return absl::InvalidArgumentError("--metrics is empty; give any of coco, voc07, voc10");
}

absl::StatusOr<Report> Evaluate(const GroundTruth& truth, const Results& results,
                                const Request& request) {
  Report report;
  report.dataset = FLAGS_dataset;
  report.detections = FLAGS_detections;
  report.images = static_cast<int64_t>(truth.images.size());
  report.voc07 = request.voc07;
  report.voc10 = request.voc10;
  if (request.coco) {
    RCNN_ASSIGN_OR_RETURN(report.coco, EvaluateResults(truth, results, request.options));
  }
  if (report.voc07 || report.voc10) {
    RCNN_ASSIGN_OR_RETURN(report.voc, EvaluateVoc(truth, results.detections,
                                                  {.text_rounding = FLAGS_voc_text_rounding}));
  }
  return report;
}

absl::StatusOr<Request> RequestFromFlags() {
  Request request;
  RCNN_RETURN_IF_ERROR(ParseMetrics(request));
  RCNN_ASSIGN_OR_RETURN(request.options, OptionsFromFlags());
  RCNN_ASSIGN_OR_RETURN(request.floors, FloorsFromFlags());
  // An evaluation without data has the names of all metrics.
  RCNN_ASSIGN_OR_RETURN(const Report nothing, Evaluate(GroundTruth(), Results(), request));
  RCNN_RETURN_IF_ERROR(BelowFloor(ReportMetrics(nothing), request.floors).status(),
                       absl::StrCat("a --min_ flag with --metrics=", FLAGS_metrics));
  return request;
}

// Checks everything that can be checked before reading files.
absl::Status CheckFlags() {
  if (FLAGS_dataset.empty() || FLAGS_detections.empty()) {
    return absl::InvalidArgumentError(
        "--dataset and --detections are needed: the ground truth, and a COCO results file such "
        "as //tools:detect writes; for example --dataset=voc:VOCdevkit/VOC2007:test "
        "--detections=found/detections.json");
  }
  RCNN_RETURN_IF_ERROR(CheckPathLength("--detections", FLAGS_detections, "give a results file"));
  RCNN_RETURN_IF_ERROR(CheckPathLength("--run_dir", FLAGS_run_dir, "give a run directory"));
  if (FLAGS_num_worst_images < 1)
    return absl::InvalidArgumentError("--num_worst_images must be >= 1");
  if (std::isnan(FLAGS_worst_images_score)) {
    return absl::InvalidArgumentError("--worst_images_score is not a number");
  }
  if (!FLAGS_worst_images.empty() && FLAGS_iou_type != "bbox") {
    return absl::InvalidArgumentError(absl::StrCat("--worst_images draws boxes, --iou_type is ",
                                                   FLAGS_iou_type, "; --report draws shapes too"));
  }
  if (!FLAGS_images.empty()) {
    RCNN_ASSIGN_OR_RETURN(const std::filesystem::file_type type, TargetType(FLAGS_images),
                          "--images");
    if (type != std::filesystem::file_type::directory) {
      return absl::NotFoundError(
          absl::StrCat(ShownFlag("--images", FLAGS_images), ": no such folder"));
    }
  }
  if (!FLAGS_worst_images.empty()) {
    RCNN_RETURN_IF_ERROR(CreateDirectories(FLAGS_worst_images), "--worst_images");
  }
  std::vector<NamedFile> inputs = {{"--detections", FLAGS_detections}};
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> files, GroundTruthFiles(FLAGS_dataset),
                        ShownFlag("--dataset", FLAGS_dataset));
  for (const std::string& file : files) inputs.push_back({"--dataset", file});
  return CheckOutputs({{"--out", FLAGS_out},
                       {"--report", FLAGS_report},
                       {"--export_errors", FLAGS_export_errors},
                       {"--export_suspects", FLAGS_export_suspects}},
                      inputs);
}

// Null if the results are boxes.
const CocoSimilarity* FindShapes(const Results& results) {
  return results.shapes == nullptr ? nullptr : &results.shapes->similarity();
}

// VOC's metrics ignore difficult objects.
bool IgnoresDifficult(const Report& report) { return report.voc07 || report.voc10; }

absl::Status WriteErrors(const GroundTruth& truth, const Results& results, const Report& report) {
  RCNN_ASSIGN_OR_RETURN(const DetectionErrors errors,
                        FindDetectionErrors(truth, results.detections,
                                            {.ignore_difficult = IgnoresDifficult(report),
                                             .shapes = FindShapes(results)}));
  const OracleFixes fixes = MeasureOracleFixes(truth, results.detections, errors);
  RCNN_RETURN_IF_ERROR(
      WriteFileAtomically(FLAGS_export_errors, ErrorsToJson(truth, errors, fixes)).status());
  std::printf("\nThe errors: %s\n", Printable(FLAGS_export_errors).c_str());
  return absl::OkStatus();
}

absl::Status WriteSuspects(const GroundTruth& truth, const Results& results) {
  const CocoSimilarity* shapes = FindShapes(results);
  const char* similarity = shapes == nullptr ? "IoU" : results.shapes->similarity_name();
  const std::vector<LabelSuspect> suspects =
      FindLabelErrors(truth, results.detections, {.shapes = shapes});
  RCNN_RETURN_IF_ERROR(
      WriteFileAtomically(FLAGS_export_suspects,
                          SuspectsToCocoJson(suspects, truth, results.detections, similarity))
          .status());
  std::printf("\n%s: %s\n", Counted(suspects.size(), "suspected label").c_str(),
              Printable(FLAGS_export_suspects).c_str());
  return absl::OkStatus();
}

absl::Status WriteReportPage(const GroundTruth& truth, const Results& results,
                             const Report& report) {
  ReportPageInput input;
  input.title = FLAGS_detections;
  input.dataset = FLAGS_dataset;
  input.truth = &truth;
  input.detections = &results.detections;
  input.report = &report;
  input.shapes = results.shapes.get();
  input.load_image = FileImages(truth, FLAGS_images);
  input.ignore_difficult = IgnoresDifficult(report);
  input.environment = {
      {"dataset", FLAGS_dataset},
      {"detections", FLAGS_detections},
      {"made", absl::FormatTime("%Y-%m-%d %H:%M UTC", absl::Now(), absl::UTCTimeZone())},
      {"rcnn", Version()},
      {"cores", absl::StrCat(AllowedCores())}};
  input.commands = {StartedCommand()};
  RCNN_ASSIGN_OR_RETURN(const std::string page, MakeReportPage(input));
  RCNN_RETURN_IF_ERROR(WriteFileAtomically(FLAGS_report, page).status());
  std::printf("\nThe report: %s\n", Printable(FLAGS_report).c_str());
  return absl::OkStatus();
}

// --report, --export_errors and --export_suspects.
absl::Status WriteAnalysis(const GroundTruth& truth, const Results& results, const Report& report) {
  if (!FLAGS_export_errors.empty()) {
    RCNN_RETURN_IF_ERROR(WriteErrors(truth, results, report), "--export_errors");
  }
  if (!FLAGS_export_suspects.empty()) {
    RCNN_RETURN_IF_ERROR(WriteSuspects(truth, results), "--export_suspects");
  }
  if (FLAGS_report.empty()) return absl::OkStatus();
  return Annotate(WriteReportPage(truth, results, report), "--report");
}

absl::Status WriteFiles(const GroundTruth& truth, Results& results, const Report& report) {
  if (!FLAGS_out.empty()) {
    RCNN_RETURN_IF_ERROR(WriteFileAtomically(FLAGS_out, ReportToJson(report)).status(), "--out");
    std::printf("\nAll numbers: %s\n", Printable(FLAGS_out).c_str());
  }
  if (!FLAGS_report.empty() || !FLAGS_export_errors.empty() || !FLAGS_export_suspects.empty()) {
    AddBoxes(results);
  }
  RCNN_RETURN_IF_ERROR(WriteAnalysis(truth, results, report));
  if (FLAGS_worst_images.empty()) return absl::OkStatus();
  RCNN_RETURN_IF_ERROR(WriteWorstImages(truth, results.detections,
                                        {.images_folder = FLAGS_images,
                                         .out_folder = FLAGS_worst_images,
                                         .count = FLAGS_num_worst_images,
                                         .min_score = FLAGS_worst_images_score}),
                       FLAGS_images.empty()
                           ? "--worst_images needs --images, the folder of the dataset's images"
                           : "--worst_images");
  std::printf("\nThe worst images: %s/contact_sheet.jpg\n", Printable(FLAGS_worst_images).c_str());
  return absl::OkStatus();
}

// Sets `exit_code` if a metric is below its minimum.
absl::Status Run(int& exit_code) {
  RCNN_RETURN_IF_ERROR(CheckFlags());
  RCNN_ASSIGN_OR_RETURN(const Request request, RequestFromFlags());
  RCNN_ASSIGN_OR_RETURN(GroundTruth truth,
                        LoadGroundTruth(FLAGS_dataset, {.folder = FolderFromFlags()}),
                        ShownFlag("--dataset", FLAGS_dataset));
  RCNN_RETURN_IF_ERROR(CheckImagesFolder(truth, FLAGS_images), "--images");
  // Errors name the file, which may be the dataset's for masks and keypoints.
  RCNN_ASSIGN_OR_RETURN(Results results, LoadDetections(request, truth));
  RCNN_ASSIGN_OR_RETURN(Report report, Evaluate(truth, results, request));
  std::printf("%s", PrintableLines(FormatReport(report)).c_str());
  RCNN_RETURN_IF_ERROR(WriteFiles(truth, results, report));
  RCNN_ASSIGN_OR_RETURN(std::vector<std::string> failures,
                        BelowFloor(ReportMetrics(report), request.floors));
  for (const std::string& failure : failures) {
    std::fprintf(stderr, "below the minimum: %s\n", Printable(failure).c_str());
  }
  if (!failures.empty()) exit_code = kBelowFloor;
  return absl::OkStatus();
}

}  // namespace
}  // namespace rcnn::eval

int main(int argc, char** argv) {
  rcnn::ProgramOptions program;
  program.usage =
      "Evaluates a results file with COCO's and VOC's metrics.\n\n"
      "  evaluate --dataset=voc:VOCdevkit/VOC2007:test --detections=results.json "
      "--metrics=voc07,coco\n"
      "  evaluate --dataset=instances.json --detections=results.json --out=metrics.json "
      "--min_ap50=0.9";
  rcnn::InitProgram(program, &argc, &argv);
  int exit_code = 0;
  const int error = rcnn::ExitCode(rcnn::eval::Run(exit_code));
  return error != 0 ? error : exit_code;
}
