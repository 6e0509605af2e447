#include "rcnn/tools/detect_run.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "rcnn/base/absolute_path.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/folder_lock.h"
#include "rcnn/base/path_length.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/progress.h"
#include "rcnn/base/shell_command.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/terminal.h"
#include "rcnn/detection/convolution/precision.h"
#include "rcnn/eval/load_ground_truth.h"
#include "rcnn/tools/detect_ids.h"
#include "rcnn/tools/detect_inputs.h"
#include "rcnn/tools/detect_model.h"
#include "rcnn/tools/detect_names.h"
#include "rcnn/tools/detect_output.h"
#include "rcnn/tools/detect_pipeline.h"
#include "rcnn/tools/detect_results.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;

constexpr double kShownScore = 0.5;
constexpr int64_t kMaxRows = 20;
constexpr char kDrawnFolder[] = "drawn";
constexpr char kOutputAdvice[] = "name the folder for the results, as in --output=found";

std::string In(const std::string& folder, absl::string_view name) {
  return (fs::path(folder) / std::string(name)).string();
}

absl::Status CheckGiven(const DetectOptions& options) {
  if (options.model.empty()) {
    return absl::InvalidArgumentError(
        "--model is missing: the folder that training writes, such as "
        "runs/shapes_tiny_alternating (`./bazelw run //training:stage_scheduler` makes it); for "
        "example --model=runs/shapes_tiny_alternating --input=photos --output=found");
  }
  if (options.inputs.empty()) {
    return absl::InvalidArgumentError(
        "no images given: name files, folders or patterns, as in --input=photos or "
        "'photos/*.jpg'");
  }
  if (options.output.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("--output is empty; ", kOutputAdvice));
  }
  RCNN_RETURN_IF_ERROR(CheckPathLength("--output", options.output, kOutputAdvice));
  // The longest name of a result.
  if (!IsPathTooLongToWrite(In(options.output, "detections.json"))) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--output: the folder's path of ", options.output.size(),
                   " bytes leaves no room for the names of results; ", kOutputAdvice));
}

absl::Status CheckInRange(const char* flag, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, "=", value, " is not in [", least, ", ", most, "]"));
}

absl::Status CheckOptions(const DetectOptions& options) {
  RCNN_RETURN_IF_ERROR(CheckGiven(options));
  const double threshold = options.score_threshold.value_or(kShownScore);
  if (!(threshold >= 0 && threshold < 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--score_threshold=", threshold, " is not in [0, 1)"));
  }
  RCNN_RETURN_IF_ERROR(CheckInRange("max_per_image", options.max_per_image, 0, 1'000'000));
  RCNN_RETURN_IF_ERROR(CheckInRange("batch", options.batch, 1, 256));
  RCNN_RETURN_IF_ERROR(CheckInRange("inference_graphs", options.inference_graphs, 0, 1000));
  return ReadPrecision(options.precision).status();
}

std::string OtherFormats(const FoundInputs& found) {
  if (found.other_formats.empty()) return "";
  return absl::StrCat(
      "skipped, formats that cannot be read (convert them to PNG or JPEG): ",
      absl::StrJoin(found.other_formats, ", ", [](std::string* out, const auto& format) {
        absl::StrAppend(out, format.second, " ", format.first);
      }));
}

absl::StatusOr<FoundInputs> FindInputs(const DetectOptions& options) {
  FoundInputs found =
      FindImages(options.inputs, {.skipped_folder = In(options.output, kDrawnFolder)});
  if (!found.images.empty()) return found;
  const std::string others = OtherFormats(found);
  const absl::StatusOr<std::string> here = AbsolutePath("");
  return absl::NotFoundError(absl::StrCat(
      "no images found: ", absl::StrJoin(found.problems, "; "), others.empty() ? "" : "; ", others,
      here.ok() ? absl::StrCat(". Relative paths start at ", *here)
                : absl::StrCat("; ", here.status().message())));
}

absl::StatusOr<ResultIds> FindIds(const DetectOptions& options, const FoundInputs& found,
                                  const std::vector<std::string>& class_names) {
  if (options.ids_of.empty()) {
    return NewIds(static_cast<int64_t>(found.images.size()),
                  static_cast<int64_t>(class_names.size()));
  }
  RCNN_ASSIGN_OR_RETURN(const eval::GroundTruth truth,
                        eval::LoadGroundTruth(options.ids_of, {.need_annotations = false}),
                        ShownFlag("--ids_of", options.ids_of));
  return DatasetIds(truth, options.ids_of, found.images, class_names);
}

// What the run may write.
OutputFolder FindOutput(const DetectOptions& options, const std::vector<ImageJob>& jobs) {
  OutputFolder output = {options.output, ResultNames(), options.overwrite};
  for (const ImageJob& job : jobs) {
    if (job.drawn.empty()) continue;
    output.files.push_back(fs::path(job.drawn).lexically_relative(options.output).string());
  }
  return output;
}

// What is wrong with an image whose path, or that of its drawing, is too long; "" if neither is.
std::string PathProblem(const std::string& image, const std::string& drawn) {
  if (IsPathTooLong(image)) {
    return absl::StrCat(ShownPath(image), ": ", kPathTooLong,
                        "; start the program in a folder nearer to it");
  }
  if (!IsPathTooLongToWrite(drawn)) return "";
  return absl::StrCat(image, ": the path of its drawing would have ", drawn.size(),
                      " bytes, too many for a file; name a shorter --output, or append --nodraw");
}

// Images that cannot be read or drawn because of their paths become problems of `found`.
absl::StatusOr<std::vector<ImageJob>> MakeJobs(const DetectOptions& options, const ResultIds& ids,
                                               bool turned_in_training, FoundInputs& found) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(found.images));
  const std::vector<std::string> drawn = DrawnNames(names);
  const std::string folder = In(options.output, kDrawnFolder);
  std::vector<ImageJob> jobs;
  for (size_t i = 0; i < found.images.size(); ++i) {
    if (!ids.images[i].has_value()) continue;
    const std::string problem =
        PathProblem(found.images[i], options.draw ? In(folder, drawn[i]) : "");
    if (!problem.empty()) {
      found.problems.push_back(problem);
      continue;
    }
    ImageJob job = {found.images[i], names[i], *ids.images[i],
                    options.draw ? In(folder, drawn[i]) : ""};
    job.result_is_turned = options.exif_orientation.value_or(ids.exif_applied[i]);
    // Images of a dataset are treated as in its evaluation.
    const bool as_trained = options.ids_of.empty() && !options.exif_orientation;
    job.network_sees_turned = as_trained ? turned_in_training : job.result_is_turned;
    jobs.push_back(std::move(job));
  }
  return jobs;
}

void PrintTables(const PipelineResult& result, const ResultClasses& classes, double min_score) {
  std::printf("%s\n%s\n", ImageTable(result.images, classes, min_score, kMaxRows).c_str(),
              ClassTable(result.images, classes, min_score).c_str());
  const double seconds = absl::ToDoubleSeconds(result.time);
  const double network = absl::ToDoubleSeconds(result.network_time);
  const auto images = static_cast<double>(result.images.size());
  if (images == 0) return;
  std::printf(
      "%s in %s: %.1f images/s from files to results, %.1f images/s in the network alone\n\n",
      Counted(result.images.size(), "image").c_str(), HumanDuration(result.time).c_str(),
      images / seconds, images / network);
}

void PrintFiles(const DetectOptions& options) {
  const TextStyle style(stdout);
  const auto print = [&](absl::string_view name, const char* what) {
    const size_t width = Printable(In(options.output, "detections.json")).size();
    const std::string path = absl::StrFormat("%-*s", width, Printable(In(options.output, name)));
    std::printf("%s  %s\n", style.Bold(path).c_str(), style.Dim(what).c_str());
  };
  if (options.draw) print("drawn/", "the images with their boxes");
  print("detections.json", options.ids_of.empty() ? "COCO results, with the ids of images.json"
                                                  : "COCO results, with the dataset's ids");
  print("images.json", "the image or class of each id");
  print("detections.csv", "the same as a table");
  if (options.ids_of.empty()) return;
  const std::string command = BazelCommand(
      "//eval:evaluate", {absl::StrCat("--dataset=", options.ids_of),
                          absl::StrCat("--detections=", In(options.output, "detections.json"))});
  std::printf("\n%s\n", Printable(command).c_str());
}

void PrintProblems(const std::vector<std::string>& problems, size_t inputs) {
  if (problems.empty()) return;
  std::fflush(stdout);
  const TextStyle style(stderr);
  std::fprintf(stderr, "\n%s\n",
               style.Red(absl::StrCat(problems.size(), " of ", inputs, " failed:")).c_str());
  for (const std::string& problem : problems) {
    std::fprintf(stderr, "  %s\n", Printable(problem).c_str());
  }
}

DetectorLimits MakeLimits(const DetectOptions& options) {
  DetectorLimits limits;
  limits.min_score = options.score_threshold;
  if (!limits.min_score.has_value() && options.ids_of.empty()) limits.min_score = kShownScore;
  if (options.max_per_image > 0) limits.max_per_image = options.max_per_image;
  return limits;
}

// Also with --quiet, because results are others than those that were asked for.
void PrintPrecision(const c10::Device& device, detection::Precision precision) {
  const std::string notice = device.is_cpu() ? PrecisionNotice(precision) : "";
  if (!notice.empty()) std::fprintf(stderr, "%s\n", notice.c_str());
}

void PrintBefore(const DetectOptions& options, const FoundInputs& found, const ResultIds& ids) {
  const std::string others = OtherFormats(found);
  if (!others.empty()) std::fprintf(stderr, "%s\n", Printable(others).c_str());
  const auto known = static_cast<size_t>(
      std::count_if(ids.images.begin(), ids.images.end(),
                    [](const std::optional<int64_t>& id) { return id.has_value(); }));
  if (known == ids.images.size()) return;
  std::fprintf(stderr, "%d of %s %s to %s; the others are left out\n", static_cast<int>(known),
               Counted(ids.images.size(), "image").c_str(),
               Noun(known, "belongs", "belong").c_str(), Printable(options.ids_of).c_str());
}

absl::StatusOr<std::unique_ptr<detection::Detector>> Load(const DetectOptions& options,
                                                          detection::Precision precision,
                                                          const c10::Device& device) {
  return LoadDetector(
      options.model, MakeLimits(options),
      {precision, {.folder = options.packed_cache}, device, options.inference_graphs});
}

// Unless the model says otherwise.
bool WasTurnedInTraining(const detection::Detector& detector) {
  const configs::DetectorInputConfig& input = detector.config().input();
  return !input.has_exif_applied() || input.exif_applied();
}

// How many images failed; kCancelled after a shutdown request.
absl::StatusOr<int64_t> Conclude(const DetectOptions& options, const FoundInputs& found,
                                 size_t num_jobs, const PipelineResult& result) {
  std::vector<std::string> problems = found.problems;
  problems.insert(problems.end(), result.problems.begin(), result.problems.end());
  PrintProblems(problems, num_jobs + found.problems.size());
  if (!result.stopped) return static_cast<int64_t>(problems.size());
  return absl::CancelledError(absl::StrCat("stopped after ", result.images.size(), " of ",
                                           Counted(num_jobs, "image"), "; their results are in ",
                                           options.output));
}

}  // namespace

absl::StatusOr<int64_t> RunDetect(const DetectOptions& options) {
  RCNN_RETURN_IF_ERROR(CheckOptions(options));
  RCNN_ASSIGN_OR_RETURN(const detection::Precision precision, ReadPrecision(options.precision));
  RCNN_ASSIGN_OR_RETURN(const c10::Device device, FindDevice(options.device));
  // Before the model is loaded, and again when the names of all files are known.
  RCNN_RETURN_IF_ERROR(CheckOutputFolder({options.output, ResultNames(), options.overwrite}, {}));
  RCNN_ASSIGN_OR_RETURN(FoundInputs found, FindInputs(options));
  RCNN_ASSIGN_OR_RETURN(const auto detector, Load(options, precision, device));
  RCNN_ASSIGN_OR_RETURN(const ResultIds ids, FindIds(options, found, detector->class_names()));
  RCNN_ASSIGN_OR_RETURN(const std::vector<ImageJob> jobs,
                        MakeJobs(options, ids, WasTurnedInTraining(*detector), found));
  const OutputFolder output = FindOutput(options, jobs);
  RCNN_RETURN_IF_ERROR(CheckOutputFolder(output, found.images));
  RCNN_ASSIGN_OR_RETURN(const FolderLock lock, ClaimOutputFolder(output));
  PrintPrecision(device, precision);
  if (!options.quiet) PrintBefore(options, found, ids);
  PipelineOptions pipeline;
  pipeline.min_drawn_score = options.score_threshold.value_or(kShownScore);
  pipeline.quiet = options.quiet;
  pipeline.batch = options.batch;
  RCNN_ASSIGN_OR_RETURN(const PipelineResult result, DetectAll(*detector, jobs, pipeline));
  const ResultClasses classes = {detector->class_names(), ids.categories};
  RCNN_RETURN_IF_ERROR(WriteResults(options.output, result.images, classes));
  if (!options.quiet) {
    PrintTables(result, classes, pipeline.min_drawn_score);
    PrintFiles(options);
  }
  return Conclude(options, found, jobs.size(), result);
}

}  // namespace rcnn::tools
