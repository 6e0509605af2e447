// The order of the images in an epoch, and their grouping into batches.
//
// A pure function of the options and the epoch's number: there is no state between
// epochs, so training resumes at any iteration by computing one permutation. Uses
// no images and no tensors; batch_planner.h builds on it.
//
// Source of the grouping and of DROP_LAST_BATCH: py-faster-rcnn's data layer (pairs
// of landscape and of portrait images), which cannot handle an odd number of
// images. Here the images of the last, incomplete group are drawn before the
// grouping and come last, so that each image is equally likely to be in it.
//
// Repeats (EpochImage::repeats) are drawn by systematic sampling after the shuffle. Let r[i] be
// the repeats of the i-th entry, scaled so that they sum to the number of entries of an epoch,
// c[i] their running sum, and u one number drawn from [0, 1). The entry is taken floor(c[i] + u) -
// floor(c[i - 1] + u) times. The result is shuffled again.
//
// With shuffle_blocks, shuffling and grouping stay within a few blocks of the dataset
// (block_order.h).
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(EpochOrder order, EpochOrder::Create(images, options));
//   const std::vector<EpochEntry> epoch = order.Epoch(3);
//   for (const EpochEntry& entry : order.Batch(epoch, 0)) Use(entry.index, entry.flipped);

#ifndef RCNN_DATA_LOADER_EPOCH_ORDER_H_
#define RCNN_DATA_LOADER_EPOCH_ORDER_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "rcnn/base/stream_key.h"
#include "rcnn/configs/loader.pb.h"
#include "rcnn/data/loader/epoch_entry.h"

namespace rcnn::data {

// What decides where an image comes in an epoch.
struct EpochImage {
  // Class of its shape, e.g. 0 landscape, 1 portrait. With group_by_aspect, entries are sorted by
  // it before they are cut into groups, so that only a group at a boundary mixes classes, and
  // adjacent ones.
  int shape = 0;
  // Expected number of times that an epoch holds it, >= 1. Unused without shuffle.
  double repeats = 1;
};

struct EpochOrderOptions {
  // Seed and stage name the random stream, with the epoch and the purpose "epoch order".
  uint64_t seed = 0;
  std::string stage;
  configs::BatchingConfig batching;
  // True: random order, with batching's grouping and tail. False: the order of the
  // dataset, with every image; the last batch may be smaller.
  bool shuffle = true;
  // Each epoch also holds the mirror image of every image.
  bool with_mirror_images = false;
  // With batching.shuffle_blocks: batch i, counted from the first epoch, takes its images from
  // stream i % streams (block_order.h). >= 1.
  int64_t streams = 1;
};

class EpochOrder {
 public:
  // Returns kInvalidArgument if an option or an image's repeats are out of range, and if, with
  // shuffle, an epoch has too few images for a batch.
  static absl::StatusOr<EpochOrder> Create(std::vector<EpochImage> images,
                                           EpochOrderOptions options);

  // Batches in every epoch. At least 1 with shuffle; without it 0 if there are no images.
  int64_t batches_per_epoch() const { return batches_per_epoch_; }

  // All images in the order of epoch `epoch` >= 0. Every epoch has the same number of entries: an
  // image with 1.3 repeats occurs at least once, and twice in about 30 % of epochs.
  std::vector<EpochEntry> Epoch(int64_t epoch) const;

  // Returns the part of `entries`, from Epoch(), in batch `batch`. 0 <= batch <
  // batches_per_epoch().
  absl::Span<const EpochEntry> Batch(absl::Span<const EpochEntry> entries, int64_t batch) const;

 private:
  EpochOrder(std::vector<EpochImage> images, EpochOrderOptions options);

  std::vector<EpochEntry> Repeated(const std::vector<EpochEntry>& entries,
                                   RandomStream& stream) const;
  std::vector<EpochEntry> Grouped(std::vector<EpochEntry> entries, RandomStream& stream) const;
  std::vector<EpochEntry> InBlocks(std::vector<EpochEntry> entries, int64_t epoch,
                                   RandomStream& stream) const;
  // Images of a group of similar shape.
  int64_t GroupSize() const { return std::max(2, options_.batching.images_per_batch()); }

  std::vector<EpochImage> images_;
  EpochOrderOptions options_;
  bool has_repeats_ = false;
  int64_t num_entries_ = 0;
  int64_t batches_per_epoch_ = 0;
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_LOADER_EPOCH_ORDER_H_
