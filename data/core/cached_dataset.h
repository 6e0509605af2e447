// A dataset that caches decoded images in memory, up to a budget in bytes, each with
// its objects, because generated datasets compute objects on every call.
//
// The cache is shared by all readers: the epochs of a stage, and the stages of an
// experiment. Epochs visit every image once in random order, so evicting gains
// nothing over filling the budget once, and filling once never discards an image
// that is needed again.
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
  int64_t hits = 0;
  int64_t misses = 0;
  // Size of the cached images and their objects.
  int64_t bytes = 0;
};

class CachedDataset : public Dataset {
 public:
  // max_bytes <= 0 caches nothing.
  CachedDataset(std::shared_ptr<const Dataset> dataset, int64_t max_bytes);

  int64_t size() const override { return dataset_->size(); }
  const ClassList& classes() const override { return dataset_->classes(); }
  ImageInfo image(int64_t index) const override { return dataset_->image(index); }
  // The cached objects, or the dataset's.
  std::vector<Object> objects(int64_t index) const override;
  const std::string& fingerprint() const override { return dataset_->fingerprint(); }
  const DefectReport& defects() const override { return dataset_->defects(); }
  bool inclusive_boxes() const override { return dataset_->inclusive_boxes(); }

  // The cached image, or the dataset's. Threads that request a missing image at the
  // same time each decode it. Errors are not cached.
  absl::StatusOr<std::shared_ptr<const Image>> LoadImage(int64_t index) const override;
  absl::StatusOr<Sample> Load(int64_t index) const override;

  ImageCacheStats stats() const;

 private:
  struct Kept {
    std::shared_ptr<const Image> image;
    std::vector<Object> objects;
  };

  std::optional<Kept> Find(int64_t index) const;
  // Caches the sample if there is room.
  void Keep(int64_t index, const Sample& sample) const;

  const std::shared_ptr<const Dataset> dataset_;
  const int64_t max_bytes_;
  mutable std::mutex mutex_;
  mutable absl::flat_hash_map<int64_t, Kept> kept_ ABSL_GUARDED_BY(mutex_);
  mutable ImageCacheStats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_CACHED_DATASET_H_
