#include "rcnn/data/loader/epoch_order.h"

#include <algorithm>
#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/loader/block_order.h"

namespace rcnn::data {
namespace {

using configs::BatchingConfig;

absl::Status CheckLeast(absl::string_view name, int64_t value, int64_t least) {
  if (value >= least) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, " is ", value, "; it must be >= ", least));
}

absl::Status CheckOptions(const EpochOrderOptions& options) {
  const BatchingConfig& batching = options.batching;
  RCNN_RETURN_IF_ERROR(CheckLeast("images_per_batch", batching.images_per_batch(), 1));
  RCNN_RETURN_IF_ERROR(CheckLeast("shuffle_blocks", batching.shuffle_blocks(), 0));
  RCNN_RETURN_IF_ERROR(CheckLeast("mixed_blocks", batching.mixed_blocks(), 1));
  return CheckLeast("streams", options.streams, 1);
}

absl::Status CheckRepeats(const std::vector<EpochImage>& images) {
  for (size_t i = 0; i < images.size(); ++i) {
    if (images[i].repeats >= 1 && std::isfinite(images[i].repeats)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "repeats of image ", i, " is ", images[i].repeats, "; it must be >= 1 and finite"));
  }
  return absl::OkStatus();
}

// Batches in an epoch of `entries` images.
int64_t CountBatches(int64_t entries, const EpochOrderOptions& options) {
  const int64_t size = options.batching.images_per_batch();
  if (!options.shuffle) return (entries + size - 1) / size;
  switch (options.batching.tail()) {
    case BatchingConfig::DROP_INCOMPLETE:
      return entries / size;
    case BatchingConfig::KEEP_INCOMPLETE:
      return (entries + size - 1) / size;
    case BatchingConfig::DROP_LAST_BATCH:
      return entries < size ? 0 : std::max<int64_t>(1, (entries - 1) / size);
  }
  return 0;
}

double SumRepeats(const std::vector<EpochImage>& images) {
  double sum = 0;
  for (const EpochImage& image : images) sum += image.repeats;
  return sum;
}

}  // namespace

EpochOrder::EpochOrder(std::vector<EpochImage> images, EpochOrderOptions options)
    : images_(std::move(images)), options_(std::move(options)) {
  has_repeats_ =
      options_.shuffle && std::any_of(images_.begin(), images_.end(),
                                      [](const auto& image) { return image.repeats > 1; });
  const auto once = static_cast<int64_t>(images_.size());
  num_entries_ = (has_repeats_ ? std::llround(SumRepeats(images_)) : once) *
                 (options_.with_mirror_images ? 2 : 1);
}

absl::StatusOr<EpochOrder> EpochOrder::Create(std::vector<EpochImage> images,
                                              EpochOrderOptions options) {
  RCNN_RETURN_IF_ERROR(CheckOptions(options));
  RCNN_RETURN_IF_ERROR(CheckRepeats(images));
  EpochOrder order(std::move(images), std::move(options));
  const EpochOrderOptions& resolved = order.options_;
  order.batches_per_epoch_ = CountBatches(order.num_entries_, resolved);
  if (order.batches_per_epoch_ == 0 && resolved.shuffle) {
    return absl::InvalidArgumentError(absl::StrCat(
        "an epoch of ", Counted(order.num_entries_, "image"), " is too small for a batch of ",
        resolved.batching.images_per_batch(), "; add images, or lower batching.images_per_batch"));
  }
  return order;
}

std::vector<EpochEntry> EpochOrder::Epoch(int64_t epoch) const {
  std::vector<EpochEntry> entries;
  entries.reserve(static_cast<size_t>(num_entries_));
  for (int flipped = 0; flipped < (options_.with_mirror_images ? 2 : 1); ++flipped) {
    for (size_t i = 0; i < images_.size(); ++i) {
      entries.push_back({static_cast<int64_t>(i), flipped == 1});
    }
  }
  if (!options_.shuffle) return entries;
  RandomStream stream(
      {.seed = options_.seed, .stage = options_.stage, .step = epoch, .purpose = "epoch order"});
  stream.Shuffle(entries);
  if (has_repeats_) entries = Repeated(entries, stream);
  if (options_.batching.shuffle_blocks() > 0) return InBlocks(std::move(entries), epoch, stream);
  return options_.batching.group_by_aspect() ? Grouped(std::move(entries), stream) : entries;
}

std::vector<EpochEntry> EpochOrder::Repeated(const std::vector<EpochEntry>& entries,
                                             RandomStream& stream) const {
  const double start = stream.Uniform(0, 1);
  const double scale = static_cast<double>(num_entries_) /
                       (SumRepeats(images_) * (options_.with_mirror_images ? 2 : 1));
  std::vector<EpochEntry> repeated;
  double sum = 0;
  for (const EpochEntry& entry : entries) {
    sum += images_[static_cast<size_t>(entry.index)].repeats * scale;
    const bool last = &entry == &entries.back();
    const int64_t end = last ? num_entries_ : static_cast<int64_t>(std::floor(sum + start));
    repeated.resize(std::min(static_cast<size_t>(end), static_cast<size_t>(num_entries_)), entry);
  }
  stream.Shuffle(repeated);
  return repeated;
}

std::vector<EpochEntry> EpochOrder::Grouped(std::vector<EpochEntry> entries,
                                            RandomStream& stream) const {
  const size_t group = static_cast<size_t>(GroupSize());
  const size_t groups = entries.size() / group;
  // The images are in random order, so those of each shape and the surplus are too.
  std::stable_sort(entries.begin(), entries.begin() + static_cast<int64_t>(groups * group),
                   [&](const EpochEntry& a, const EpochEntry& b) {
                     return images_[static_cast<size_t>(a.index)].shape <
                            images_[static_cast<size_t>(b.index)].shape;
                   });
  std::vector<size_t> permutation(groups);
  for (size_t i = 0; i < groups; ++i) permutation[i] = i;
  stream.Shuffle(permutation);
  std::vector<EpochEntry> grouped;
  grouped.reserve(entries.size());
  for (const size_t source : permutation) {
    for (size_t i = 0; i < group; ++i) grouped.push_back(entries[source * group + i]);
  }
  for (size_t i = groups * group; i < entries.size(); ++i) grouped.push_back(entries[i]);
  return grouped;
}

std::vector<EpochEntry> EpochOrder::InBlocks(std::vector<EpochEntry> entries, int64_t epoch,
                                             RandomStream& stream) const {
  const bool grouped = options_.batching.group_by_aspect();
  BlockOrderOptions blocks;
  blocks.images = static_cast<int64_t>(images_.size());
  blocks.blocks = options_.batching.shuffle_blocks();
  blocks.mixed_blocks = options_.batching.mixed_blocks();
  blocks.streams = options_.streams;
  blocks.batch_size = options_.batching.images_per_batch();
  blocks.batches = std::min(batches_per_epoch_, num_entries_ / blocks.batch_size);
  blocks.first_batch = epoch * batches_per_epoch_;
  blocks.group = grouped ? GroupSize() : 1;
  const auto mix = [&](std::vector<EpochEntry> pool) {
    stream.Shuffle(pool);
    return grouped ? Grouped(std::move(pool), stream) : pool;
  };
  return OrderByBlocks(std::move(entries), blocks, mix, stream);
}

absl::Span<const EpochEntry> EpochOrder::Batch(absl::Span<const EpochEntry> entries,
                                               int64_t batch) const {
  const int64_t size = options_.batching.images_per_batch();
  const int64_t begin = batch * size;
  return entries.subspan(static_cast<size_t>(begin), static_cast<size_t>(size));
}

}  // namespace rcnn::data
