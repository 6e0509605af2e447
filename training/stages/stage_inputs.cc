#include "rcnn/training/stages/stage_inputs.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/detection/weights/weights_file.h"
#include "rcnn/detection/weights/wrapped_names.h"

namespace rcnn::training {
namespace {

using detection::weights::StateDict;

// Days may have passed since the keys were made, and what is trained now has them.
absl::Status CheckIsAsPlanned(const ExperimentRun& run, const std::string& path) {
  if (run.pretrained_digest.empty()) return absl::OkStatus();
  RCNN_ASSIGN_OR_RETURN(const FileDigest digest, ComputeFileDigest(path), "pretrained.file");
  const std::string text = PretrainedDigestText(digest);
  if (text == run.pretrained_digest) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "pretrained.file: ", path, " has changed since this run started: ", text, ", not ",
      run.pretrained_digest,
      "; put the file back, or start the same command again, which trains with the file that is "
      "there now"));
}

absl::StatusOr<SourceWeights> Pretrained(const ExperimentRun& run) {
  RCNN_ASSIGN_OR_RETURN(const std::string path, PretrainedPath(run));
  absl::StatusOr<StateDict> state = detection::weights::LoadStateDict(path);
  // After the file was read, so that nothing can replace it in between, and before its error, as a
  // file that is being replaced may look damaged.
  RCNN_RETURN_IF_ERROR(CheckIsAsPlanned(run, path));
  RCNN_RETURN_IF_ERROR(state.status());
  SourceWeights weights;
  weights.source = path;
  weights.names = run.config.pretrained().names();
  detection::weights::UnwrappedNames unwrapped = detection::weights::UnwrapNames(*std::move(state));
  weights.state = std::move(unwrapped.state);
  if (!unwrapped.prefix.empty()) {
    absl::StrAppend(&weights.source, " (names without the prefix ", unwrapped.prefix, ")");
  }
  return weights;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const data::Dataset>> FindDataset(const ExperimentRun& run,
                                                                 configs::DatasetRole role) {
  const auto found = run.datasets.find(role);
  if (found != run.datasets.end()) return found->second;
  return absl::InvalidArgumentError(
      absl::StrCat("the experiment has no data.",
                   absl::AsciiStrToLower(configs::DatasetRole_Name(role)), " to work on"));
}

std::vector<int64_t> ImagesWithObjects(const data::Dataset& dataset, int64_t max_images) {
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < dataset.size() && static_cast<int64_t>(indices.size()) < max_images;
       ++i) {
    const std::vector<data::Object> objects = dataset.objects(i);
    if (std::any_of(objects.begin(), objects.end(), [](const data::Object& object) {
          return !object.crowd && !object.difficult;
        })) {
      indices.push_back(i);
    }
  }
  return indices;
}

const configs::StageConfig* FindStage(const configs::ExperimentConfig& config,
                                      const std::string& name) {
  for (const configs::StageConfig& stage : config.stages()) {
    if (stage.name() == name) return &stage;
  }
  return nullptr;
}

std::string StageFilePath(const ExperimentRun& run, const std::string& stage,
                          const std::string& file) {
  return absl::StrCat(run.directories.at(stage), "/", file);
}

absl::StatusOr<StateDict> StageWeights(const ExperimentRun& run, const std::string& stage) {
  return detection::weights::LoadStateDict(StageFilePath(run, stage, kModelFile));
}

absl::StatusOr<std::shared_ptr<const data::ProposalFile>> StageProposals(
    const ExperimentRun& run, const std::string& stage, const data::Dataset& dataset) {
  return data::ProposalFile::Open(StageFilePath(run, stage, kProposalsFile), dataset);
}

absl::StatusOr<std::string> PretrainedPath(const ExperimentRun& run) {
  const configs::PretrainedConfig& config = run.config.pretrained();
  if (config.file().empty()) {
    return absl::InvalidArgumentError(
        "a stage starts from pretrained weights, but pretrained.file is empty: name a file, "
        "--set pretrained.file=vgg16.pth, or remove `init { pretrained: true }` to start from "
        "random weights");
  }
  const std::string path = config.file()[0] == '/' || run.data_root.empty()
                               ? config.file()
                               : absl::StrCat(run.data_root, "/", config.file());
  if (::access(path.c_str(), R_OK) == 0) return path;
  const absl::Status error = ErrnoStatus("read", path);
  if (!absl::IsNotFound(error)) return error;
  return absl::NotFoundError(absl::StrCat("missing pretrained weights: ", path, ". ", config.hint(),
                                          config.hint().empty() ? "" : " ",
                                          "Put the file there or give --set pretrained.file=PATH"));
}

std::string PretrainedDigestText(const FileDigest& digest) {
  return absl::StrFormat("%d bytes, CRC-32C %08x", digest.size, digest.crc32c);
}

WeightsLookup MakeWeightsLookup(const ExperimentRun& run) {
  return [&run](const configs::InitConfig& init) -> absl::StatusOr<SourceWeights> {
    if (init.source_case() != configs::InitConfig::kStage) return Pretrained(run);
    SourceWeights weights;
    weights.source = absl::StrCat("stage ", init.stage());
    weights.names = "rcnn";
    RCNN_ASSIGN_OR_RETURN(weights.state, StageWeights(run, init.stage()));
    return weights;
  };
}

}  // namespace rcnn::training
