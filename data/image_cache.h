// Keeps decoded pictures in memory, up to a budget in bytes.
//
// Epochs visit every picture once in random order: then a rule that evicts gains
// nothing over one that fills the budget and keeps what it has, and the latter
// never does work in vain. Thread-safe.
//
// Example:
//   ImageCache cache(int64_t{1} << 30);
//   RCNN_ASSIGN_OR_RETURN(std::shared_ptr<const Image> image, cache.Load(dataset, 7));

#ifndef RCNN_DATA_IMAGE_CACHE_H_
#define RCNN_DATA_IMAGE_CACHE_H_

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "rcnn/data/dataset.h"
#include "rcnn/data/image.h"

namespace rcnn::data {

struct ImageCacheStats {
  int64_t hits = 0;
  int64_t misses = 0;
  // Of the pictures that are kept.
  int64_t bytes = 0;
};

class ImageCache {
 public:
  // max_bytes <= 0 keeps nothing.
  explicit ImageCache(int64_t max_bytes) : max_bytes_(max_bytes) {}

  // dataset.LoadImage(index), or the picture kept from before. Always with the
  // same data set. Threads that ask for a missing picture at once each decode it.
  absl::StatusOr<std::shared_ptr<const Image>> Load(const Dataset& dataset, int64_t index);

  ImageCacheStats stats() const;

 private:
  std::shared_ptr<const Image> Find(int64_t index);

  const int64_t max_bytes_;
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<int64_t, std::shared_ptr<const Image>> images_ ABSL_GUARDED_BY(mutex_);
  ImageCacheStats stats_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_IMAGE_CACHE_H_
