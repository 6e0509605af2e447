#include "rcnn/training/stages/stage_features.h"

#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"

namespace rcnn::training {
namespace {

FrozenFeaturesOptions MakeOptions(const ExperimentRun& run, const data::Dataset& dataset,
                                  const configs::TransformConfig& transform) {
  // Which of several sizes was drawn follows from the input's size and scale, part of the key.
  configs::ResizeConfig resize = transform.resize();
  resize.clear_shortest_side_px();
  FrozenFeaturesOptions options;
  options.max_bytes = int64_t{run.config.resources().feature_cache_mib()} << 20;
  // Image ids are unique only within a dataset.
  options.transform = absl::StrCat(dataset.fingerprint(), " ", resize.ShortDebugString(), " pad ",
                                   transform.pad_to_multiple_px());
  options.cache = run.features;
  return options;
}

}  // namespace

std::shared_ptr<FrozenFeatures> TrainingFeatures(
    const ExperimentRun& run, const configs::TransformConfig& transform,
    const std::shared_ptr<detection::FasterRcnn>& model,
    configs::TrainingConfig::Precision precision, bool deterministic) {
  if (!HasFrozenFeatures(*model)) {
    run.features->Clear();
    return nullptr;
  }
  FrozenFeaturesOptions options = MakeOptions(run, *run.datasets.at(configs::TRAIN), transform);
  if (transform.has_jitter()) options.max_bytes = 0;
  if (precision != configs::TrainingConfig::FLOAT32) {
    absl::StrAppend(&options.transform, " ", configs::TrainingConfig::Precision_Name(precision));
  }
  if (!deterministic && !run.device.is_cpu()) absl::StrAppend(&options.transform, " varying");
  return std::make_shared<FrozenFeatures>(model, std::move(options));
}

std::shared_ptr<FrozenFeatures> CachedFeatures(
    const ExperimentRun& run, const data::Dataset& dataset,
    const configs::TransformConfig& transform,
    const std::shared_ptr<detection::FasterRcnn>& model) {
  FrozenFeaturesOptions options = MakeOptions(run, dataset, transform);
  if (!FrozenFeatures::HasCachedMaps(*model, options)) return nullptr;
  return std::make_shared<FrozenFeatures>(model, std::move(options));
}

}  // namespace rcnn::training
