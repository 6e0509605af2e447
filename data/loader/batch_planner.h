// Plans the contents of each batch from the iteration's number alone.
//
// The plan has everything except pixels: which images, mirrored or not, their
// sizes, and the size of the padded batch. No image is opened, so training that
// resumes at iteration 100,000 starts as fast as at 0. The loader turns plans into
// batches.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(BatchPlanner planner, BatchPlanner::Create(dataset, options));
//   RCNN_ASSIGN_OR_RETURN(BatchPlan plan, planner.Plan(137));

#ifndef RCNN_DATA_LOADER_BATCH_PLANNER_H_
#define RCNN_DATA_LOADER_BATCH_PLANNER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/configs/loader.pb.h"
#include "rcnn/configs/transform.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/loader/epoch_order.h"
#include "rcnn/data/loader/sample_transform.h"

namespace rcnn::data {

enum class LoaderMode {
  // Endless epochs in random order, with the random transforms.
  kTraining,
  // Every image once, in the dataset's order, resized only.
  kEvaluation,
};

// The options that determine the contents of the batches.
struct BatchOptions {
  LoaderMode mode = LoaderMode::kTraining;
  configs::TransformConfig transform;
  configs::BatchingConfig batching;
  // With batching.shuffle_blocks: the batches of an update, each of which reads blocks of its own
  // (block_order.h). >= 1.
  int64_t batches_per_update = 1;
  // The experiment's seed and the stage's name, which select the random streams.
  uint64_t seed = 0;
  std::string stage;
};

struct PlannedImage {
  int64_t index = 0;  // in the dataset
  ImageInfo info;     // flipped and flipped_vertically as in `transform`
  SampleTransform transform;
  // As in BatchImage.
  int64_t own_padding_y = 0;
  int64_t own_padding_x = 0;
};

struct BatchPlan {
  int64_t iteration = 0;
  int64_t epoch = 0;
  // Size of the batch: that of its largest image, with its own padding.
  int64_t height = 0;
  int64_t width = 0;
  std::vector<PlannedImage> images;
};

// Not thread-safe.
class BatchPlanner {
 public:
  // kInvalidArgument, naming the field, if an option is out of range or there are
  // too few images for one batch.
  static absl::StatusOr<BatchPlanner> Create(std::shared_ptr<const Dataset> dataset,
                                             const BatchOptions& options);

  // Batches per epoch. In evaluation, the total number of batches.
  int64_t batches_per_epoch() const { return order_.batches_per_epoch(); }

  // Plans the batch of `iteration` >= 0, in any order of calls. kOutOfRange after
  // evaluation's last batch; kInvalidArgument, naming the image, if an image
  // becomes too large.
  absl::StatusOr<BatchPlan> Plan(int64_t iteration);

 private:
  BatchPlanner(std::shared_ptr<const Dataset> dataset, const BatchOptions& options,
               EpochOrder order)
      : dataset_(std::move(dataset)), options_(options), order_(std::move(order)) {}

  absl::StatusOr<PlannedImage> PlanImage(const EpochEntry& entry, int64_t sample,
                                         int64_t scale_sample) const;

  std::shared_ptr<const Dataset> dataset_;
  BatchOptions options_;
  EpochOrder order_;
  // The epoch of the last call.
  int64_t epoch_ = -1;
  std::vector<EpochEntry> entries_;
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_LOADER_BATCH_PLANNER_H_
