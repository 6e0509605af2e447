#include "rcnn/training/stage_features.h"

#include <cstdint>
#include <utility>

namespace rcnn::training {
namespace {

FrozenFeaturesOptions OptionsOf(const ExperimentRun& run,
                                const configs::TransformConfig& transform) {
  // Which of the sizes is drawn is told by that of the input.
  configs::ResizeConfig resize = transform.resize();
  resize.clear_shortest_side_px();
  FrozenFeaturesOptions options;
  options.max_bytes = int64_t{run.config.resources().feature_cache_mib()} << 20;
  options.pad_to_multiple = transform.pad_to_multiple_px();
  options.transform = resize.ShortDebugString();
  options.cache = run.features;
  return options;
}

}  // namespace

std::shared_ptr<FrozenFeatures> TrainingFeatures(
    const ExperimentRun& run, const configs::TransformConfig& transform,
    const std::shared_ptr<detection::FasterRcnn>& model) {
  if (!HasFrozenFeatures(*model)) {
    run.features->Clear();
    return nullptr;
  }
  FrozenFeaturesOptions options = OptionsOf(run, transform);
  if (transform.has_jitter()) options.max_bytes = 0;
  return std::make_shared<FrozenFeatures>(model, std::move(options));
}

std::shared_ptr<FrozenFeatures> KeptFeatures(const ExperimentRun& run,
                                             const configs::TransformConfig& transform,
                                             const std::shared_ptr<detection::FasterRcnn>& model) {
  FrozenFeaturesOptions options = OptionsOf(run, transform);
  if (!FrozenFeatures::AreKept(*model, options)) return nullptr;
  return std::make_shared<FrozenFeatures>(model, std::move(options));
}

}  // namespace rcnn::training
