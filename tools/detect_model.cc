#include "rcnn/tools/detect_model.h"

#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/device.h"
#include "rcnn/base/device_probe.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/file_state.h"
#include "rcnn/base/instruction_level.h"
#include "rcnn/base/path_length.h"
#include "rcnn/base/recorded_result.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/detection/model_directory.h"
#include "rcnn/detection/packed_cache.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;

constexpr char kAdvice[] =
    "give the folder that training writes, which holds detector.textproto and model.safetensors: "
    "`./bazelw run //training:stage_scheduler` makes runs/shapes_tiny_alternating";

// Follows links. An error if the file system cannot tell.
absl::StatusOr<bool> Exists(const fs::path& path) {
  RCNN_ASSIGN_OR_RETURN(const fs::file_type type, TargetType(path.string()));
  return type != fs::file_type::not_found;
}

// Recognises common mistakes, such as the path of something that is not a model.
absl::Status CheckPath(const std::string& path) {
  RCNN_RETURN_IF_ERROR(CheckPathLength("--model", path, kAdvice));
  RCNN_ASSIGN_OR_RETURN(const fs::file_type type, TargetType(path), "--model");
  if (type == fs::file_type::not_found) {
    return absl::NotFoundError(absl::StrCat("--model=", path, ": no such folder; ", kAdvice));
  }
  const bool folder = type == fs::file_type::directory;
  if (!folder && fs::path(path).filename() != detection::kModelWeightsFile) {
    return absl::InvalidArgumentError(
        absl::StrCat("--model=", path, " is a file not named model.safetensors; ", kAdvice));
  }
  const fs::path directory = folder ? fs::path(path) : fs::path(path).parent_path();
  RCNN_ASSIGN_OR_RETURN(const bool has_config, Exists(directory / detection::kModelConfigFile),
                        "--model");
  if (has_config) {
    RCNN_ASSIGN_OR_RETURN(const bool has_weights, Exists(directory / detection::kModelWeightsFile),
                          "--model");
    if (has_weights) return absl::OkStatus();
    return absl::NotFoundError(
        absl::StrCat("--model=", path, " has no model.safetensors; ", kAdvice));
  }
  RCNN_ASSIGN_OR_RETURN(const bool is_run, Exists(directory / "stages"), "--model");
  if (is_run) {
    return absl::FailedPreconditionError(absl::StrCat(
        "--model=", path,
        " is the directory of a run without a detector: it has not reached its `evaluate` stage "
        "yet, or has none. The command that started it resumes it"));
  }
  return absl::NotFoundError(
      absl::StrCat("--model=", path, " has no detector.textproto; ", kAdvice));
}

// The checksum that the run has recorded for the weights, if it has, must be theirs. They are read
// for it unless a start before has read them since they changed (detection/packed_cache.h).
absl::Status CheckWeights(const std::string& path, const std::string& cache_folder) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<FileDigest> recorded, FindRecordedDigests(path));
  if (recorded.empty()) return absl::OkStatus();
  RCNN_ASSIGN_OR_RETURN(const FileState state, ReadFileState(path));
  std::optional<FileDigest> actual = detection::PackedCache::FindFileDigest(cache_folder, state);
  if (!actual.has_value()) {
    RCNN_ASSIGN_OR_RETURN(actual, ComputeFileDigest(path));
  }
  return CompareWithRecorded(path, *actual, recorded);
}

// A damaged file of a finished run is not used.
absl::Status CheckModelFiles(const fs::path& path, const std::string& cache_folder) {
  const fs::path directory =
      path.filename() == detection::kModelWeightsFile ? path.parent_path() : path;
  RCNN_RETURN_IF_ERROR(CheckRecordedResult((directory / detection::kModelConfigFile).string()));
  return CheckWeights((directory / detection::kModelWeightsFile).string(), cache_folder);
}

}  // namespace

absl::StatusOr<std::unique_ptr<detection::Detector>> LoadDetector(
    const std::string& path, const DetectorLimits& limits,
    const detection::DetectorOptions& options) {
  RCNN_RETURN_IF_ERROR(CheckPath(path));
  // "folder/" and "folder" are the same.
  fs::path directory(path);
  if (!directory.has_filename()) directory = directory.parent_path();
  RCNN_RETURN_IF_ERROR(CheckModelFiles(directory, options.cache.folder), "--model");
  RCNN_ASSIGN_OR_RETURN(detection::ModelDirectory files,
                        detection::ReadModelDirectory(directory.string()), "--model");
  configs::DetectionsConfig& config =
      *files.config.mutable_model()->mutable_head()->mutable_detections();
  if (limits.min_score.has_value()) config.set_min_score(*limits.min_score);
  if (limits.max_per_image.has_value()) {
    config.set_max_per_image(static_cast<int32_t>(*limits.max_per_image));
  }
  RCNN_ASSIGN_OR_RETURN(auto detector,
                        detection::Detector::Create(files.config, std::move(files.weights), options,
                                                    {files.weights_path, files.weights_state}),
                        absl::StrCat("--model=", path));
  return detector;
}

absl::StatusOr<detection::Precision> ReadPrecision(const std::string& name) {
  const auto precision = detection::ParsePrecision(name);
  if (precision.ok()) return *precision;
  return absl::InvalidArgumentError(
      absl::StrCat("--precision: ", std::string(precision.status().message())));
}

absl::StatusOr<c10::Device> FindDevice(const std::string& name) {
  RCNN_ASSIGN_OR_RETURN(const c10::Device device, ParseDevice(name), "--device");
  if (!device.is_cpu()) RCNN_RETURN_IF_ERROR(CheckDevice(device, ProbeDevices()), "--device");
  return device;
}

std::string PrecisionNotice(detection::Precision precision) {
  const detection::Precision supported = detection::SupportedPrecision(precision);
  if (supported == precision) return "";
  const bool is_lowered = HasBfloat16Products(SupportedInstructionLevel());
  const std::string lacking =
      is_lowered ? absl::StrCat("the level of instructions is lowered to ",
                                InstructionLevelName(CurrentInstructionLevel()), ", which")
                 : "this processor";
  return absl::StrCat("--precision=", detection::PrecisionName(precision), ": ", lacking,
                      " has no instructions for it (AVX-512 BF16), so detecting in ",
                      detection::PrecisionName(supported));
}

}  // namespace rcnn::tools
