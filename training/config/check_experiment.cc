#include "rcnn/training/config/check_experiment.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/check_range.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/loader/loader_resources.h"
#include "rcnn/data/loader/sample_transform.h"
#include "rcnn/training/config/check_bounds.h"
#include "rcnn/training/config/check_stage.h"

namespace rcnn::training {
namespace {

using configs::DatasetConfig;
using configs::ExperimentConfig;

constexpr size_t kMaxNameLength = 100;
// Of LibTorch, which numbers devices in 8 bits.
constexpr double kMaxDeviceIndex = 127;
// As --batch of tools/detect.
constexpr double kMaxInferenceBatch = 256;

absl::Status Invalid(absl::string_view message) { return absl::InvalidArgumentError(message); }

// Names become file names.
absl::Status CheckName(const std::string& name, absl::string_view extra) {
  if (name.empty()) return Invalid("name: is missing");
  const bool plain = std::all_of(name.begin(), name.end(), [&](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || extra.find(c) != extra.npos;
  });
  if (plain && name[0] != '.' && name[0] != '-' && name.size() <= kMaxNameLength) {
    return absl::OkStatus();
  }
  return Invalid(absl::StrCat("name: \"", name, "\" is used as a directory name; use up to ",
                              kMaxNameLength, " letters, digits and any of ", extra,
                              ", starting with a letter, digit or '_'"));
}

absl::Status CheckDataset(const DatasetConfig& config, const std::string& field) {
  if (config.source_case() == DatasetConfig::SOURCE_NOT_SET) {
    return Invalid(absl::StrCat(field,
                                ": has no source; add voc {}, coco {}, shapes {} or "
                                "concat {}"));
  }
  if (config.has_concat() && config.concat().parts_size() == 0) {
    return Invalid(absl::StrCat(field, ".concat: has no parts"));
  }
  for (int i = 0; i < config.concat().parts_size(); ++i) {
    RCNN_RETURN_IF_ERROR(
        CheckDataset(config.concat().parts(i), absl::StrCat(field, ".concat.parts[", i, "]")));
  }
  return absl::OkStatus();
}

absl::Status CheckData(const configs::ExperimentData& data) {
  if (!data.has_train()) return Invalid("data.train: is missing; add data { train { ... } }");
  RCNN_RETURN_IF_ERROR(CheckDataset(data.train(), "data.train"));
  if (data.has_test()) RCNN_RETURN_IF_ERROR(CheckDataset(data.test(), "data.test"));
  if (data.has_validation()) {
    RCNN_RETURN_IF_ERROR(CheckDataset(data.validation(), "data.validation"));
  }
  return Annotate(data::CheckTransformConfig(data.transform()), "data.transform");
}

absl::Status CheckModel(const configs::ModelConfig& model) {
  if (model.backbone().network_case() == configs::BackboneConfig::NETWORK_NOT_SET) {
    return Invalid(
        "model.backbone: has no network; add backbone { tiny {} } or one of zf, "
        "vgg_cnn_m_1024, vgg16, resnet");
  }
  if (model.has_fpn() && !model.backbone().has_resnet()) {
    return Invalid("model.fpn: needs a resnet as its backbone; use one, or remove fpn");
  }
  return absl::OkStatus();
}

absl::Status CheckPretrained(const configs::PretrainedConfig& pretrained) {
  const std::set<std::string> known = {"", "torchvision", "caffe", "rcnn"};
  if (known.count(pretrained.names()) == 1) return absl::OkStatus();
  return Invalid(absl::StrCat("pretrained.names: \"", pretrained.names(),
                              "\" is unknown; use torchvision, caffe or rcnn, or remove it"));
}

absl::Status CheckResources(const configs::ResourcesConfig& resources) {
  RCNN_RETURN_IF_ERROR(data::CheckLoaderResources(resources.loader()), "resources.loader");
  const std::pair<const char*, double> at_least_0[] = {
      {"resources.image_cache_mib", resources.image_cache_mib()},
      {"resources.checkpoint_iterations", static_cast<double>(resources.checkpoint_iterations())},
      {"resources.checkpoint_seconds", resources.checkpoint_seconds()},
      {"resources.feature_cache_mib", resources.feature_cache_mib()},
      {"resources.inference_graphs", resources.inference_graphs()},
      {"resources.training_graphs", resources.training_graphs()}};
  for (const auto& [field, value] : at_least_0) RCNN_RETURN_IF_ERROR(CheckAtLeast(field, value, 0));
  RCNN_RETURN_IF_ERROR(
      CheckRange("resources.device_index", resources.device_index(), 0, kMaxDeviceIndex));
  RCNN_RETURN_IF_ERROR(
      CheckRange("resources.inference_batch", resources.inference_batch(), 1, kMaxInferenceBatch));
  RCNN_RETURN_IF_ERROR(CheckAtLeast("resources.checkpoints_kept", resources.checkpoints_kept(), 1));
  return CheckAtLeast("resources.log_every", static_cast<double>(resources.log_every()), 1);
}

absl::Status CheckStages(const ExperimentConfig& config) {
  if (config.stages_size() == 0) {
    return Invalid("stages: is empty; add at least one, as configs/experiment.proto shows");
  }
  std::set<std::string> names;
  for (int i = 0; i < config.stages_size(); ++i) {
    const std::string& name = config.stages(i).name();
    // No dots: they would be ambiguous in --set and in file names.
    RCNN_RETURN_IF_ERROR(CheckName(name, "_-"), absl::StrCat("stages[", i, "]"));
    if (!names.insert(name).second) {
      return Invalid(
          absl::StrCat("stages[", i, "]: name: \"", name,
                       "\" is the name of an earlier stage; give each stage a unique name"));
    }
  }
  for (int i = 0; i < config.stages_size(); ++i) {
    RCNN_RETURN_IF_ERROR(CheckStage(config, i),
                         absl::StrCat("stage \"", config.stages(i).name(), "\""));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckExperiment(const ExperimentConfig& config) {
  RCNN_RETURN_IF_ERROR(CheckName(config.name(), "_-."));
  RCNN_RETURN_IF_ERROR(CheckData(config.data()));
  RCNN_RETURN_IF_ERROR(CheckModel(config.model()));
  RCNN_RETURN_IF_ERROR(CheckPretrained(config.pretrained()));
  RCNN_RETURN_IF_ERROR(CheckResources(config.resources()));
  return CheckStages(config);
}

}  // namespace rcnn::training
