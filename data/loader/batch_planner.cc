#include "rcnn/data/loader/batch_planner.h"

#include <algorithm>
#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/loader/repeat_factors.h"

namespace rcnn::data {
namespace {

using configs::TransformConfig;

EpochOrderOptions OrderOptions(const BatchOptions& options) {
  EpochOrderOptions order;
  order.seed = options.seed;
  order.stage = options.stage;
  order.batching = options.batching;
  order.streams = options.batches_per_update;
  order.shuffle = options.mode == LoaderMode::kTraining;
  order.with_mirror_images =
      order.shuffle && options.transform.flip() == TransformConfig::DOUBLE_DATASET;
  return order;
}

// The class of an image's shape: wide or tall, or a quarter octave of width / height.
int Shape(const ImageInfo& info, bool by_shape) {
  if (!by_shape) return info.width >= info.height ? 0 : 1;
  const double aspect = static_cast<double>(info.width) / static_cast<double>(info.height);
  return static_cast<int>(std::lround(4 * std::log2(aspect)));
}

std::vector<EpochImage> EpochImages(const Dataset& dataset,
                                    const configs::BatchingConfig& batching) {
  std::vector<EpochImage> images(static_cast<size_t>(dataset.size()));
  for (int64_t i = 0; i < dataset.size(); ++i) {
    images[static_cast<size_t>(i)].shape = Shape(dataset.image(i), batching.group_by_shape());
  }
  if (batching.repeat_classes_below() <= 0) return images;
  const std::vector<double> repeats = RepeatFactors(dataset, batching.repeat_classes_below());
  for (size_t i = 0; i < images.size(); ++i) images[i].repeats = repeats[i];
  return images;
}

int64_t RoundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace

absl::StatusOr<BatchPlanner> BatchPlanner::Create(std::shared_ptr<const Dataset> dataset,
                                                  const BatchOptions& options) {
  RCNN_RETURN_IF_ERROR(CheckTransformConfig(options.transform));
  RCNN_ASSIGN_OR_RETURN(
      EpochOrder order,
      EpochOrder::Create(EpochImages(*dataset, options.batching), OrderOptions(options)));
  return BatchPlanner(std::move(dataset), options, std::move(order));
}

absl::StatusOr<PlannedImage> BatchPlanner::PlanImage(const EpochEntry& entry, int64_t sample,
                                                     int64_t scale_sample) const {
  PlannedImage image;
  image.index = entry.index;
  image.info = dataset_->image(entry.index);
  if (options_.mode == LoaderMode::kTraining) {
    RCNN_ASSIGN_OR_RETURN(
        image.transform,
        DrawTransform(
            options_.transform, image.info,
            {.seed = options_.seed, .stage = options_.stage, .step = sample, .purpose = ""},
            scale_sample));
    image.transform.flipped = image.transform.flipped || entry.flipped;
  } else {
    RCNN_ASSIGN_OR_RETURN(image.transform, EvaluationTransform(options_.transform, image.info));
  }
  image.info.flipped = image.transform.flipped;
  image.info.flipped_vertically = image.transform.flipped_vertically;
  const int64_t multiple = options_.transform.pad_to_multiple_px();
  image.own_padding_y = RoundUp(image.transform.height, multiple) - image.transform.height;
  image.own_padding_x = RoundUp(image.transform.width, multiple) - image.transform.width;
  return image;
}

absl::StatusOr<BatchPlan> BatchPlanner::Plan(int64_t iteration) {
  if (options_.mode == LoaderMode::kEvaluation && iteration >= batches_per_epoch()) {
    return absl::OutOfRangeError(absl::StrCat("no batch ", iteration, ": there ",
                                              Noun(batches_per_epoch(), "is", "are"), " ",
                                              Counted(batches_per_epoch(), "batch", "batches")));
  }
  BatchPlan plan;
  plan.iteration = iteration;
  plan.epoch = iteration / batches_per_epoch();
  if (epoch_ != plan.epoch) {
    entries_ = order_.Epoch(plan.epoch);
    epoch_ = plan.epoch;
  }
  // Numbers the images of all iterations, whatever the tail.
  int64_t sample = iteration * options_.batching.images_per_batch();
  const int64_t first = sample;
  const bool one_scale = options_.transform.resize().one_scale_per_batch();
  for (const EpochEntry& entry : order_.Batch(entries_, iteration % batches_per_epoch())) {
    RCNN_ASSIGN_OR_RETURN(PlannedImage image, PlanImage(entry, sample, one_scale ? first : sample));
    ++sample;
    plan.height = std::max(plan.height, image.transform.height + image.own_padding_y);
    plan.width = std::max(plan.width, image.transform.width + image.own_padding_x);
    plan.images.push_back(std::move(image));
  }
  return plan;
}

}  // namespace rcnn::data
