#include "rcnn/data/image_cache.h"

#include "rcnn/base/status_macros.h"

namespace rcnn::data {

std::shared_ptr<const Image> ImageCache::Find(int64_t index) {
  absl::MutexLock lock(&mutex_);
  const auto found = images_.find(index);
  ++(found == images_.end() ? stats_.misses : stats_.hits);
  return found == images_.end() ? nullptr : found->second;
}

absl::StatusOr<std::shared_ptr<const Image>> ImageCache::Load(const Dataset& dataset,
                                                              int64_t index) {
  if (std::shared_ptr<const Image> image = Find(index)) return image;
  RCNN_ASSIGN_OR_RETURN(std::shared_ptr<const Image> image, dataset.LoadImage(index));
  absl::MutexLock lock(&mutex_);
  if (image->size_bytes() <= max_bytes_ - stats_.bytes && images_.emplace(index, image).second) {
    stats_.bytes += image->size_bytes();
  }
  return image;
}

ImageCacheStats ImageCache::stats() const {
  absl::MutexLock lock(&mutex_);
  return stats_;
}

}  // namespace rcnn::data
