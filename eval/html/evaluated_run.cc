#include "rcnn/eval/html/evaluated_run.h"

#include <cstdint>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/recorded_result.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/configs/textproto.h"
#include "rcnn/data/sources/make_dataset.h"
#include "rcnn/eval/dataset_ground_truth.h"
#include "rcnn/eval/html/loss_curves.h"

namespace rcnn::eval {
namespace {

// Those of the scheduler (training/scheduler), which writes these files.
constexpr int64_t kMaxDataRootBytes = int64_t{1} << 20;
constexpr int64_t kMaxExperimentBytes = int64_t{1} << 24;

std::string ExperimentFile(const std::string& directory) {
  return absl::StrCat(directory, "/experiment.textproto");
}

// An error if the file differs from what the run has recorded, or cannot be read now.
absl::Status CheckIfThere(const std::string& path) {
  const absl::Status status = CheckRecordedResult(path);
  return absl::IsDataLoss(status) || IsUnreadableNow(status) ? status : absl::OkStatus();
}

// A file of the run; "" if it is missing, too large, or not a regular file.
absl::StatusOr<std::string> ReadIfThere(const std::string& directory, const std::string& file) {
  RCNN_ASSIGN_OR_RETURN(const std::string path, JoinInside(directory, file));
  RCNN_RETURN_IF_ERROR(CheckIfThere(path));
  absl::StatusOr<std::string> text = ReadFile(path);
  if (IsDamage(text.status()) || absl::IsResourceExhausted(text.status())) return std::string();
  return text;
}

// `given`, or what the run has recorded. A file that is too large to be a path is an error, because
// another folder has other data.
absl::StatusOr<std::string> DataRoot(const std::string& directory, const std::string& given) {
  if (!given.empty()) return given;
  const absl::StatusOr<std::string> recorded =
      ReadFile(absl::StrCat(directory, "/data_root.txt"), {.max_bytes = kMaxDataRootBytes});
  if (IsDamage(recorded.status())) return std::string();
  RCNN_RETURN_IF_ERROR(recorded.status());
  return std::string(absl::StripSuffix(*recorded, "\n"));
}

// Stages without losses, and those that have not run, have no lines.
absl::StatusOr<std::vector<TrainingCurve>> RunLosses(const std::string& directory,
                                                     const configs::ExperimentConfig& experiment) {
  std::vector<TrainingCurve> curves;
  for (int i = 0; i < experiment.stages_size(); ++i) {
    const std::string& name = experiment.stages(i).name();
    const std::string file = absl::StrCat("stages/", i + 1, "_", name, "/metrics.jsonl");
    RCNN_ASSIGN_OR_RETURN(const std::string lines, ReadIfThere(directory, file));
    for (TrainingCurve& curve : LossCurves(name, lines)) curves.push_back(std::move(curve));
  }
  return curves;
}

}  // namespace

absl::StatusOr<bool> IsRunDirectory(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const std::filesystem::file_type type, TargetType(ExperimentFile(path)));
  return type == std::filesystem::file_type::regular;
}

absl::StatusOr<RunDataset> OpenRunDataset(const std::string& run_directory,
                                          const std::string& data_root) {
  RunDataset run;
  // The report shows what it computes itself; who reads both would find other numbers there.
  RCNN_RETURN_IF_ERROR(CheckIfThere(absl::StrCat(run_directory, "/metrics.json")));
  const std::string file = ExperimentFile(run_directory);
  RCNN_RETURN_IF_ERROR(CheckIfThere(file));
  RCNN_ASSIGN_OR_RETURN(run.config, ReadFile(file, {.max_bytes = kMaxExperimentBytes}));
  configs::ExperimentConfig experiment;
  RCNN_RETURN_IF_ERROR(configs::ParseTextproto(run.config, file, &experiment));
  if (!experiment.data().has_test()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": the experiment has no data.test; name the dataset with --dataset"));
  }
  const configs::DatasetConfig& config = experiment.data().test();
  run.voc = config.has_voc();
  RCNN_ASSIGN_OR_RETURN(const std::string root, DataRoot(run_directory, data_root));
  RCNN_ASSIGN_OR_RETURN(run.dataset, data::MakeDataset(config, {.data_root = root}), file);
  run.truth = FromDataset(*run.dataset);
  RCNN_ASSIGN_OR_RETURN(run.training, RunLosses(run_directory, experiment));
  return run;
}

LoadImageFunction DatasetImages(std::shared_ptr<const data::Dataset> dataset,
                                const GroundTruth& truth) {
  // Of GroundTruth::images, which are sorted by id.
  std::vector<int64_t> indices(truth.images.size(), 0);
  for (int64_t i = 0; i < dataset->size(); ++i) {
    const int64_t position = truth.ImageIndex(dataset->image(i).id);
    if (position >= 0) indices[position] = i;
  }
  return [dataset = std::move(dataset), indices = std::move(indices)](int64_t image) {
    return dataset->LoadImage(indices[image]);
  };
}

}  // namespace rcnn::eval
