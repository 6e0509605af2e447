#include "rcnn/data/cached_dataset.h"

#include <utility>

#include "rcnn/base/status_macros.h"

namespace rcnn::data {

CachedDataset::CachedDataset(std::shared_ptr<const Dataset> dataset, int64_t max_bytes)
    : dataset_(std::move(dataset)), max_bytes_(max_bytes) {}

std::shared_ptr<const Image> CachedDataset::Find(int64_t index) const {
  absl::MutexLock lock(&mutex_);
  const auto found = images_.find(index);
  ++(found == images_.end() ? stats_.misses : stats_.hits);
  return found == images_.end() ? nullptr : found->second;
}

absl::StatusOr<std::shared_ptr<const Image>> CachedDataset::LoadImage(int64_t index) const {
  if (std::shared_ptr<const Image> image = Find(index)) return image;
  RCNN_ASSIGN_OR_RETURN(std::shared_ptr<const Image> image, dataset_->LoadImage(index));
  absl::MutexLock lock(&mutex_);
  if (image->size_bytes() <= max_bytes_ - stats_.bytes && images_.emplace(index, image).second) {
    stats_.bytes += image->size_bytes();
  }
  return image;
}

ImageCacheStats CachedDataset::stats() const {
  absl::MutexLock lock(&mutex_);
  return stats_;
}

}  // namespace rcnn::data
