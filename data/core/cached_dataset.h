// A dataset that keeps decoded images in memory until a budget in bytes is spent, each
// with its objects, because generated datasets compute objects on every call.
//
// The cache is shared by all readers: the epochs of a stage, and the stages of an
// experiment. Each epoch visits the images in a new random order, so no eviction
// policy beats filling the budget once and evicting nothing.
//
// Example:
//   CachedDataset cached(dataset, int64_t{1} << 30);
//   RCNN_ASSIGN_OR_RETURN(Sample sample, cached.Load(7));

#ifndef RCNN_DATA_CORE_CACHED_DATASET_H_
#define RCNN_DATA_CORE_CACHED_DATASET_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data {

struct ImageCacheStats {
  // Calls of Load and LoadImage; those of objects() are not counted.
  int64_t hits = 0;
  int64_t misses = 0;
  // Size of the cached images and their objects.
  int64_t bytes = 0;
};

// Thread-safe if the underlying dataset is.
class CachedDataset : public Dataset {
 public:
  // `dataset` is not null. max_bytes <= 0 caches nothing.
  CachedDataset(std::shared_ptr<const Dataset> dataset, int64_t max_bytes);

  int64_t size() const override { return dataset_->size(); }
  const ClassList& classes() const override { return dataset_->classes(); }
  ImageInfo image(int64_t index) const override { return dataset_->image(index); }
  // From the cache if the image is in it, otherwise from the underlying dataset.
  std::vector<Object> objects(int64_t index) const override;
  // Never from the cache, which holds decoded images.
  absl::StatusOr<std::string> ReadImageBytes(int64_t index) const override {
    return dataset_->ReadImageBytes(index);
  }
  const std::string& fingerprint() const override { return dataset_->fingerprint(); }
  const DefectReport& defects() const override { return dataset_->defects(); }
  bool inclusive_boxes() const override { return dataset_->inclusive_boxes(); }

  // From the cache, or loaded with its objects and cached if there is space. Threads that
  // request a missing image at the same time each decode it. Errors are not cached.
  absl::StatusOr<std::shared_ptr<const Image>> LoadImage(int64_t index) const override;
  absl::StatusOr<Sample> Load(int64_t index) const override;

  ImageCacheStats stats() const;

 private:
  struct Entry {
    std::shared_ptr<const Image> image;
    std::vector<Object> objects;
  };

  std::optional<Entry> Find(int64_t index) const;
  // Caches `sample` if it fits into the rest of the budget.
  void Insert(int64_t index, const Sample& sample) const;

  const std::shared_ptr<const Dataset> dataset_;
  const int64_t max_bytes_;
  mutable std::mutex mutex_;
  mutable absl::flat_hash_map<int64_t, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  mutable ImageCacheStats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_CACHED_DATASET_H_
