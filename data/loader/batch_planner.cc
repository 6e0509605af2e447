#include "rcnn/data/loader/batch_planner.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::data {
namespace {

using configs::TransformConfig;

EpochOrderOptions OrderOptions(const BatchOptions& options) {
  EpochOrderOptions order;
  order.seed = options.seed;
  order.stage = options.stage;
  order.batching = options.batching;
  order.shuffle = options.mode == LoaderMode::kTraining;
  order.doubled = order.shuffle && options.transform.flip() == TransformConfig::DOUBLE_DATASET;
  order.replica = options.replica;
  order.num_replicas = options.num_replicas;
  return order;
}

int64_t RoundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

absl::StatusOr<BatchPlanner> BatchPlanner::Create(std::shared_ptr<const Dataset> dataset,
                                                  const BatchOptions& options) {
  RCNN_RETURN_IF_ERROR(CheckTransformConfig(options.transform));
  std::vector<bool> is_wide(static_cast<size_t>(dataset->size()));
  for (int64_t i = 0; i < dataset->size(); ++i) {
    const ImageInfo info = dataset->image(i);
    is_wide[i] = info.width >= info.height;
  }
  RCNN_ASSIGN_OR_RETURN(EpochOrder order,
                        EpochOrder::Create(std::move(is_wide), OrderOptions(options)));
  return BatchPlanner(std::move(dataset), options, std::move(order));
}

absl::StatusOr<PlannedImage> BatchPlanner::PlanImage(const EpochEntry& entry,
                                                     int64_t sample) const {
  PlannedImage image;
  image.index = entry.index;
  image.info = dataset_->image(entry.index);
  if (options_.mode == LoaderMode::kTraining) {
    RCNN_ASSIGN_OR_RETURN(
        image.transform,
        DrawTransform(
            options_.transform, image.info,
            {.seed = options_.seed, .stage = options_.stage, .step = sample, .purpose = ""}));
    image.transform.flipped = image.transform.flipped || entry.flipped;
  } else {
    RCNN_ASSIGN_OR_RETURN(image.transform, EvaluationTransform(options_.transform, image.info));
  }
  image.info.flipped = image.transform.flipped;
  image.info.flipped_vertically = image.transform.flipped_vertically;
  return image;
}

absl::StatusOr<BatchPlan> BatchPlanner::Plan(int64_t iteration) {
  if (options_.mode == LoaderMode::kEvaluation && iteration >= batches_per_epoch()) {
    return absl::OutOfRangeError(
        absl::StrCat("there are ", batches_per_epoch(), " batches; there is no batch ", iteration));
  }
  BatchPlan plan;
  plan.iteration = iteration;
  plan.epoch = iteration / batches_per_epoch();
  if (epoch_ != plan.epoch) {
    entries_ = order_.Epoch(plan.epoch);
    epoch_ = plan.epoch;
  }
  // Numbers the images of all iterations and replicas, whatever the tail.
  int64_t sample =
      (iteration * options_.num_replicas + options_.replica) * options_.batching.images_per_batch();
  for (const EpochEntry& entry : order_.Batch(entries_, iteration % batches_per_epoch())) {
    RCNN_ASSIGN_OR_RETURN(PlannedImage image, PlanImage(entry, sample++));
    plan.height = std::max(plan.height, image.transform.height);
    plan.width = std::max(plan.width, image.transform.width);
    plan.images.push_back(std::move(image));
  }
  plan.height = RoundUp(plan.height, options_.transform.pad_to_multiple_px());
  plan.width = RoundUp(plan.width, options_.transform.pad_to_multiple_px());
  return plan;
}

}  // namespace rcnn::data
