#include "rcnn/training/stages/stage_model.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/input_batch.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/module_device.h"
#include "rcnn/detection/module_parts.h"
#include "rcnn/detection/weights/import.h"
#include "rcnn/detection/weights/known_name_maps.h"
#include "rcnn/detection/weights/module_state.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;
using detection::weights::ImportOptions;
using detection::weights::ImportOutcome;
using detection::weights::ImportReport;
using detection::weights::ImportRow;
using detection::weights::NameMap;
using detection::weights::StateDict;

bool IsInside(const std::string& name, const std::string& part) {
  return absl::StartsWith(name, part) && (name.size() == part.size() || name[part.size()] == '.');
}

// "backbone", "head", ...: the word before the first dot.
std::string TopPart(const std::string& name) { return name.substr(0, name.find('.')); }

// The tensors of the model's named parts; of all parts if none is named.
absl::StatusOr<StateDict> CollectTensors(
    const FasterRcnn& model, const google::protobuf::RepeatedPtrField<std::string>& parts) {
  const StateDict all = detection::weights::ModuleState(model);
  if (parts.empty()) return all;
  StateDict chosen;
  for (const std::string& part : parts) {
    const size_t before = chosen.size();
    for (const StateDict::Entry& entry : all) {
      if (IsInside(entry.name, part)) chosen.Add(entry.name, entry.tensor);
    }
    if (chosen.size() == before) {
      return absl::InvalidArgumentError(
          absl::StrCat("this stage's network has no part \"", part, "\""));
    }
  }
  return chosen;
}

// "rcnn" is a name map, "caffe" and "torchvision" are several: caffe_zf, caffe_vgg16.
absl::StatusOr<const NameMap*> FindOrDetectMap(const SourceWeights& weights) {
  if (weights.names == "rcnn") return detection::weights::FindNameMap(weights.names);
  RCNN_ASSIGN_OR_RETURN(const NameMap* map, detection::weights::DetectNameMap(weights.state));
  if (weights.names.empty() || absl::StartsWith(map->name, weights.names + "_")) return map;
  return absl::InvalidArgumentError(absl::StrCat("uses the names of ", map->description,
                                                 ", but pretrained.names is ", weights.names));
}

absl::StatusOr<const NameMap*> ChooseNameMap(const SourceWeights& weights,
                                             const FasterRcnn& model) {
  RCNN_ASSIGN_OR_RETURN(const NameMap* map, FindOrDetectMap(weights));
  // Without a pyramid, layer4 is in the head.
  if (map->name == "torchvision_resnet" && model.fpn() == nullptr) {
    return detection::weights::FindNameMap("torchvision_resnet_c4");
  }
  return map;
}

bool WasLoaded(const ImportRow& row) {
  return row.outcome == ImportOutcome::kLoaded || row.outcome == ImportOutcome::kReshaped;
}

// Compares shape, type and every byte. For at::equal, 0 equals -0 and a NaN differs from itself.
bool SameBits(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes() || a.scalar_type() != b.scalar_type()) return false;
  const at::Tensor x = a.detach().cpu().contiguous(), y = b.detach().cpu().contiguous();
  return x.nbytes() == 0 || std::memcmp(x.data_ptr(), y.data_ptr(), x.nbytes()) == 0;
}

bool IsShared(const std::string& name) {
  const std::string part = TopPart(name);
  return part == "backbone" || part == "fpn";
}

// Checks that every requested part was loaded.
absl::Status CheckLoaded(const ImportReport& report,
                         const google::protobuf::RepeatedPtrField<std::string>& parts) {
  for (const std::string& part : parts) {
    const bool loaded = std::any_of(report.rows.begin(), report.rows.end(), [&](const auto& row) {
      return WasLoaded(row) && IsInside(row.name, part);
    });
    if (!loaded) {
      return absl::InvalidArgumentError(absl::StrCat(report.source, " has no part \"", part, "\""));
    }
  }
  return absl::OkStatus();
}

absl::Status Load(const configs::InitConfig& init, const WeightsLookup& find_weights,
                  FasterRcnn& model, std::vector<std::string>* reports) {
  RCNN_ASSIGN_OR_RETURN(const SourceWeights weights, find_weights(init));
  RCNN_ASSIGN_OR_RETURN(const StateDict target, CollectTensors(model, init.part()));
  RCNN_ASSIGN_OR_RETURN(const NameMap* map, ChooseNameMap(weights, model), weights.source);
  ImportOptions options;
  options.source = weights.source;
  RCNN_ASSIGN_OR_RETURN(const ImportReport report,
                        detection::weights::ImportStateDict(weights.state, *map, options, target));
  RCNN_RETURN_IF_ERROR(CheckLoaded(report, init.part()));
  if (reports != nullptr) reports->push_back(report.ToString());
  return absl::OkStatus();
}

absl::Status FreezeParts(const configs::StageConfig& stage, FasterRcnn& model) {
  for (const std::string& name : stage.freeze()) {
    torch::nn::Module* part = detection::FindPart(model, name);
    if (part == nullptr || name.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("freeze: this stage's network has no part \"", name, "\""));
    }
    detection::Freeze(*part);
  }
  return absl::OkStatus();
}

}  // namespace

configs::ModelConfig StageModelConfig(const configs::ModelConfig& model,
                                      const configs::StageConfig& stage) {
  configs::ModelConfig config = model;
  if (stage.has_train_rpn()) config.clear_head();
  if (stage.has_train_fast_rcnn()) config.clear_rpn();
  return config;
}

absl::Status CheckStageNetwork(const configs::ExperimentConfig& experiment,
                               const configs::StageConfig& stage, int64_t num_classes) {
  const std::string context = absl::StrCat("stage ", stage.name());
  const configs::ModelConfig& model = experiment.model();
  RCNN_RETURN_IF_ERROR(
      detection::CheckInputConfig(configs::DetectorInputConfig(), model.normalization()), "model");
  RCNN_ASSIGN_OR_RETURN(const auto network, CatchExceptions([&] {
                          return FasterRcnn::Create(StageModelConfig(model, stage), num_classes);
                        }),
                        context);
  RCNN_RETURN_IF_ERROR(FreezeParts(stage, *network), context);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<FasterRcnn>> MakeStageModel(
    const configs::ExperimentConfig& experiment, const configs::StageConfig& stage,
    int64_t num_classes, const WeightsLookup& find_weights, std::vector<std::string>* reports) {
  const std::string context = absl::StrCat("stage ", stage.name());
  RCNN_ASSIGN_OR_RETURN(
      auto model, FasterRcnn::Create(StageModelConfig(experiment.model(), stage), num_classes),
      context);
  detection::ResetParameters(
      *model, MakeGenerator({experiment.seed(), stage.name(), /*step=*/0, /*purpose=*/"weights"}));
  for (const configs::InitConfig& init : stage.init()) {
    RCNN_RETURN_IF_ERROR(Load(init, find_weights, *model, reports), context);
  }
  RCNN_RETURN_IF_ERROR(FreezeParts(stage, *model), context);
  model->train();
  return model;
}

configs::ModelConfig SavedModelConfig(configs::ModelConfig model) {
  const auto clear = [](auto& targets) {
    targets.clear_box_normalization();
    targets.clear_box_mean();
    targets.clear_box_std();
  };
  if (model.rpn().has_targets()) clear(*model.mutable_rpn()->mutable_targets());
  if (model.head().has_targets()) clear(*model.mutable_head()->mutable_targets());
  return model;
}

absl::StatusOr<std::shared_ptr<FasterRcnn>> MakeTrainedModel(const configs::ModelConfig& config,
                                                             int64_t num_classes,
                                                             const StateDict& state,
                                                             const c10::Device& device) {
  RCNN_ASSIGN_OR_RETURN(auto model, FasterRcnn::Create(SavedModelConfig(config), num_classes));
  RCNN_ASSIGN_OR_RETURN(const NameMap* map, detection::weights::FindNameMap("rcnn"));
  ImportOptions options;
  options.exact = true;
  RCNN_RETURN_IF_ERROR(detection::weights::ImportStateDict(state, *map, options,
                                                           detection::weights::ModuleState(*model))
                           .status());
  model->eval();
  detection::MoveToDevice(*model, device);
  detection::PrepareForInference(*model);
  return model;
}

absl::Status CheckSharedBackbone(const StateDict& a, const StateDict& b) {
  const auto differs = [](const std::string& name, const char* how) {
    return absl::FailedPreconditionError(
        absl::StrCat("the two networks do not share their backbone: ", name, how));
  };
  for (const StateDict::Entry& entry : a) {
    if (!IsShared(entry.name)) continue;
    const at::Tensor* other = b.Find(entry.name);
    if (other == nullptr) return differs(entry.name, " is in only one of them");
    if (!SameBits(entry.tensor, *other)) return differs(entry.name, " differs");
  }
  for (const StateDict::Entry& entry : b) {
    if (IsShared(entry.name) && a.Find(entry.name) == nullptr) {
      return differs(entry.name, " is in only one of them");
    }
  }
  return absl::OkStatus();
}

}  // namespace rcnn::training
