#include "rcnn/detection/model_directory.h"

#include <google/protobuf/text_format.h>

#include <cstdint>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/configs/textproto.h"
#include "rcnn/detection/borrowed_weights.h"
#include "rcnn/detection/input_batch.h"
#include "rcnn/detection/model_metadata.h"
#include "rcnn/detection/unfilled_weights.h"
#include "rcnn/detection/weights/import.h"
#include "rcnn/detection/weights/known_name_maps.h"
#include "rcnn/detection/weights/module_state.h"
#include "rcnn/detection/weights/weights_file.h"

namespace rcnn::detection {
namespace {

// Of 10,000 classes, whose names have a kilobyte each.
constexpr int64_t kMaxConfigBytes = int64_t{16} << 20;

std::string File(const std::string& directory, const char* name) {
  return directory.empty() ? name : absl::StrCat(directory, "/", name);
}

std::string ParentDirectory(const std::string& path) {
  if (path == kModelWeightsFile) return "";
  return std::string(absl::StripSuffix(path, absl::StrCat("/", kModelWeightsFile)));
}

absl::StatusOr<configs::DetectorConfig> ReadConfig(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, {.max_bytes = kMaxConfigBytes}));
  configs::DetectorConfig config;
  RCNN_RETURN_IF_ERROR(configs::ParseTextproto(text, path, &config));
  RCNN_RETURN_IF_ERROR(CheckDetectorConfig(config), path);
  return config;
}

// Checks an output whose size shows the number of classes or anchors of the
// weights: `unit` rows of `name` each.
absl::Status CheckRows(const weights::StateDict& model, const weights::StateDict& weights,
                       const std::string& name, int64_t unit, int64_t not_counted,
                       absl::string_view counted, absl::string_view field) {
  const at::Tensor *ours = model.Find(name), *theirs = weights.Find(name);
  if (ours == nullptr || theirs == nullptr || theirs->dim() < 1 ||
      ours->size(0) == theirs->size(0)) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("the weights are for ", theirs->size(0) / unit - not_counted, " ", counted, ", ",
                   field, " for ", ours->size(0) / unit - not_counted, " (", name, ")"));
}

// Explains the most common mismatches.
absl::Status CheckFits(const configs::DetectorConfig& config, const weights::StateDict& model,
                       const weights::StateDict& weights) {
  RCNN_RETURN_IF_ERROR(
      CheckRows(model, weights, "head.cls_score.bias", 1, 1, "classes", "class_name is"));
  RCNN_RETURN_IF_ERROR(CheckRows(model, weights, "rpn.bbox_pred.bias", 4, 0, "anchors per cell",
                                 "model.rpn.anchors is"));
  return CheckModelMetadata(config, weights.metadata());
}

absl::Status FillModel(const configs::DetectorConfig& config, const weights::StateDict& weights,
                       WeightsMemory memory, FasterRcnn& model) {
  const weights::StateDict state = weights::ModuleState(model);
  RCNN_RETURN_IF_ERROR(CheckFits(config, state, weights));
  RCNN_ASSIGN_OR_RETURN(const weights::NameMap* map, weights::FindNameMap("rcnn"));
  weights::ImportOptions options;
  options.exact = true;
  options.source = kModelWeightsFile;
  if (memory == WeightsMemory::kBorrowed) {
    options.borrow = BorrowWeights(model, weights.PageReleaser());
  }
  return weights::ImportStateDict(weights, *map, options, state).status();
}

}  // namespace

absl::Status CheckDetectorConfig(const configs::DetectorConfig& config) {
  if (config.model().has_head() && config.class_name_size() == 0) {
    return absl::InvalidArgumentError("class_name is empty");
  }
  std::set<std::string> seen;
  for (const std::string& name : config.class_name()) {
    if (name.empty() || absl::StrContains(name, '\n') || !seen.insert(name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("class_name '", name, "' is empty, has several lines, or is a duplicate"));
    }
  }
  return CheckInputConfig(config.input(), config.model().normalization());
}

absl::StatusOr<ModelDirectory> ReadModelDirectory(const std::string& path) {
  const std::string directory = ParentDirectory(path);
  ModelDirectory files;
  RCNN_ASSIGN_OR_RETURN(files.config, ReadConfig(File(directory, kModelConfigFile)));
  files.weights_path = File(directory, kModelWeightsFile);
  // An error is reported when the file is opened.
  files.weights_state = ReadFileState(files.weights_path).value_or(FileState());
  RCNN_ASSIGN_OR_RETURN(files.weights, weights::LoadStateDict(files.weights_path));
  RCNN_RETURN_IF_ERROR(CheckModelMetadata(files.config, files.weights.metadata()), path);
  return files;
}

absl::Status WriteModelDirectory(const std::string& directory,
                                 const configs::DetectorConfig& config,
                                 const weights::StateDict& weights) {
  RCNN_RETURN_IF_ERROR(CheckDetectorConfig(config));
  RCNN_RETURN_IF_ERROR(CreateDirectories(directory));
  std::string text;
  google::protobuf::TextFormat::PrintToString(config, &text);
  RCNN_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::Create(File(directory, kModelConfigFile)));
  RCNN_RETURN_IF_ERROR(
      file.Append(absl::StrCat("# proto-message: rcnn.configs.DetectorConfig\n", text)));
  weights::StateDict described = weights;
  SetModelMetadata(config, described.metadata());
  RCNN_RETURN_IF_ERROR(weights::SaveStateDict(described, File(directory, kModelWeightsFile)));
  return file.Commit().status();
}

weights::StateDict SavedState(const FasterRcnn& model) {
  weights::StateDict state;
  for (auto& [name, tensor] : model.StateToSave()) state.Add(name, std::move(tensor));
  return state;
}

absl::StatusOr<std::shared_ptr<FasterRcnn>> MakeTrainedModel(const configs::DetectorConfig& config,
                                                             const weights::StateDict& weights,
                                                             WeightsMemory memory) {
  RCNN_RETURN_IF_ERROR(CheckDetectorConfig(config));
  // FillModel fills every tensor or fails.
  const UnfilledWeights unfilled;
  RCNN_ASSIGN_OR_RETURN(auto model, FasterRcnn::Create(config.model(), config.class_name_size()));
  RCNN_RETURN_IF_ERROR(CatchExceptions([&] { return FillModel(config, weights, memory, *model); },
                                       absl::StatusCode::kInvalidArgument));
  return model;
}

}  // namespace rcnn::detection
