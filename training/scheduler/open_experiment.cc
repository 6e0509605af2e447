#include "rcnn/training/scheduler/open_experiment.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rcnn/base/device_probe.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/recorded_result.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/cached_dataset.h"
#include "rcnn/data/sources/make_dataset.h"
#include "rcnn/training/stages/stage_device.h"
#include "rcnn/training/stages/stage_inputs.h"
#include "rcnn/training/stages/stage_runner.h"

namespace rcnn::training {
namespace {

using data::Dataset;

// A missing file is most often under another root.
absl::Status NamingTheRoot(const absl::Status& status, const std::string& root) {
  if (!absl::IsNotFound(status)) return status;
  const std::string given = root.empty() ? ", which is not given" : absl::StrCat("=", root);
  return absl::NotFoundError(
      absl::StrCat(status.message(), "; relative paths start at --data_root", given));
}

absl::Status Open(const configs::DatasetConfig& config, const char* field,
                  configs::DatasetRole role, ExperimentRun& run) {
  absl::StatusOr<std::unique_ptr<Dataset>> dataset =
      data::MakeDataset(config, {.data_root = run.data_root});
  RCNN_RETURN_IF_ERROR(NamingTheRoot(dataset.status(), run.data_root), field);
  if ((*dataset)->size() == 0) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": no images"));
  }
  run.datasets[role] = std::make_shared<data::CachedDataset>(
      *std::move(dataset), int64_t{run.config.resources().image_cache_mib()} << 20);
  return absl::OkStatus();
}

absl::Status CheckClasses(const ExperimentRun& run, configs::DatasetRole role, const char* field) {
  const auto found = run.datasets.find(role);
  const auto& train = run.datasets.at(configs::TRAIN)->classes().names;
  if (found == run.datasets.end() || found->second->classes().names == train) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      field, " has the classes ", absl::StrJoin(found->second->classes().names, ", "),
      ", but data.train has ", absl::StrJoin(train, ", "),
      ". Name the classes of both in the same order: --set 'data.train.classes=[...]' --set '",
      field, ".classes=[...]'"));
}

bool BeginsPretrained(const configs::ExperimentConfig& config) {
  for (const configs::StageConfig& stage : config.stages()) {
    for (const configs::InitConfig& init : stage.init()) {
      if (init.pretrained()) return true;
    }
  }
  return false;
}

}  // namespace

absl::StatusOr<ExperimentRun> OpenExperiment(const configs::ExperimentConfig& config,
                                             const std::string& data_root) {
  ExperimentRun run;
  RCNN_ASSIGN_OR_RETURN(run.device, ChooseDevice(config, ProbeDevices()));
  run.config = config;
  run.data_root = data_root;
  const configs::ExperimentData& data = config.data();
  RCNN_RETURN_IF_ERROR(Open(data.train(), "data.train", configs::TRAIN, run));
  if (data.has_test()) RCNN_RETURN_IF_ERROR(Open(data.test(), "data.test", configs::TEST, run));
  if (data.has_validation()) {
    RCNN_RETURN_IF_ERROR(Open(data.validation(), "data.validation", configs::VALIDATION, run));
  } else if (data.has_test()) {
    run.datasets[configs::VALIDATION] = run.datasets[configs::TEST];
  }
  RCNN_RETURN_IF_ERROR(CheckClasses(run, configs::TEST, "data.test"));
  RCNN_RETURN_IF_ERROR(CheckClasses(run, configs::VALIDATION, "data.validation"));
  for (const configs::StageConfig& stage : config.stages()) {
    RCNN_RETURN_IF_ERROR(CheckStage(run, stage));
  }
  return run;
}

absl::StatusOr<PlanInputs> MakePlanInputs(const ExperimentRun& run) {
  PlanInputs inputs;
  inputs.fingerprints[configs::TRAIN] = run.datasets.at(configs::TRAIN)->fingerprint();
  const auto add = [&](configs::DatasetRole role, bool wanted) {
    if (wanted) inputs.fingerprints[role] = run.datasets.at(role)->fingerprint();
  };
  add(configs::TEST, run.config.data().has_test());
  add(configs::VALIDATION, run.config.data().has_validation());
  if (!BeginsPretrained(run.config)) return inputs;
  RCNN_ASSIGN_OR_RETURN(const std::string path, PretrainedPath(run));
  RCNN_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path), "pretrained.file");
  const FileDigest digest = Digest(file.bytes());
  // The weights may be the result of another run.
  RCNN_ASSIGN_OR_RETURN(const std::vector<FileDigest> recorded, FindRecordedDigests(path),
                        "pretrained.file");
  RCNN_RETURN_IF_ERROR(CompareWithRecorded(path, digest, recorded), "pretrained.file");
  inputs.pretrained_digest = PretrainedDigestText(digest);
  return inputs;
}

}  // namespace rcnn::training
