#include "rcnn/data/cached_dataset.h"

#include <utility>

#include "rcnn/base/status_macros.h"

namespace rcnn::data {

CachedDataset::CachedDataset(std::shared_ptr<const Dataset> dataset, int64_t max_bytes)
    : dataset_(std::move(dataset)), max_bytes_(max_bytes) {}

std::vector<Object> CachedDataset::objects(int64_t index) const {
  {
    absl::MutexLock lock(&mutex_);
    const auto found = kept_.find(index);
    if (found != kept_.end()) return found->second.objects;
  }
  return dataset_->objects(index);
}

absl::StatusOr<std::shared_ptr<const Image>> CachedDataset::LoadImage(int64_t index) const {
  {
    absl::MutexLock lock(&mutex_);
    const auto found = kept_.find(index);
    ++(found == kept_.end() ? stats_.misses : stats_.hits);
    if (found != kept_.end()) return found->second.image;
  }
  RCNN_ASSIGN_OR_RETURN(std::shared_ptr<const Image> image, dataset_->LoadImage(index));
  if (image->size_bytes() > max_bytes_) return image;
  std::vector<Object> objects = dataset_->objects(index);
  const int64_t bytes = image->size_bytes() + static_cast<int64_t>(objects.size() * sizeof(Object));
  absl::MutexLock lock(&mutex_);
  if (bytes <= max_bytes_ - stats_.bytes &&
      kept_.emplace(index, Kept{image, std::move(objects)}).second) {
    stats_.bytes += bytes;
  }
  return image;
}

ImageCacheStats CachedDataset::stats() const {
  absl::MutexLock lock(&mutex_);
  return stats_;
}

}  // namespace rcnn::data
