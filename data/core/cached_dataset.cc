#include "rcnn/data/core/cached_dataset.h"

#include <mutex>
#include <utility>

#include "rcnn/base/status_macros.h"

namespace rcnn::data {

CachedDataset::CachedDataset(std::shared_ptr<const Dataset> dataset, int64_t max_bytes)
    : dataset_(std::move(dataset)), max_bytes_(max_bytes) {}

std::optional<CachedDataset::Entry> CachedDataset::Find(int64_t index) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = entries_.find(index);
  if (found == entries_.end()) return std::nullopt;
  return found->second;
}

void CachedDataset::Insert(int64_t index, const Sample& sample) const {
  const int64_t bytes =
      sample.image->size_bytes() + static_cast<int64_t>(sample.objects.size() * sizeof(Object));
  const std::lock_guard<std::mutex> lock(mutex_);
  if (bytes > max_bytes_ - stats_.bytes) return;
  if (entries_.emplace(index, Entry{sample.image, sample.objects}).second) stats_.bytes += bytes;
}

std::vector<Object> CachedDataset::objects(int64_t index) const {
  std::optional<Entry> entry = Find(index);
  return entry ? std::move(entry->objects) : dataset_->objects(index);
}

absl::StatusOr<std::shared_ptr<const Image>> CachedDataset::LoadImage(int64_t index) const {
  RCNN_ASSIGN_OR_RETURN(Sample sample, Load(index));
  return std::move(sample.image);
}

absl::StatusOr<Sample> CachedDataset::Load(int64_t index) const {
  std::optional<Entry> entry = Find(index);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++(entry ? stats_.hits : stats_.misses);
  }
  if (entry) return Sample{image(index), std::move(entry->image), std::move(entry->objects)};
  RCNN_ASSIGN_OR_RETURN(Sample sample, dataset_->Load(index));
  Insert(index, sample);
  return sample;
}

ImageCacheStats CachedDataset::stats() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return stats_;
}

}  // namespace rcnn::data
