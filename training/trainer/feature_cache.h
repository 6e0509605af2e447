// Feature maps of images, kept from one stage to the next.
//
// Steps 3 and 4 train on the same frozen convolutions, so the proposals after step 3 and step 4
// itself reuse the maps of step 3. Maps belong to the weights and the transform that made them;
// others are dropped. Find() and Insert() are thread-safe; the result of Find() is valid until
// Claim() or Clear().
//
// Example:
//   cache->Claim(weights, transform);
//   const std::vector<at::Tensor>* maps = cache->Find(key);

#ifndef RCNN_TRAINING_TRAINER_FEATURE_CACHE_H_
#define RCNN_TRAINING_TRAINER_FEATURE_CACHE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <shared_mutex>
#include <string>
#include <tuple>
#include <vector>

#include "absl/base/thread_annotations.h"

namespace rcnn::training {

class FeatureCache {
 public:
  // The image's id, mirrored or not, upside down or not, the input's height and width,
  // and its scale along each axis, which determines the position of pixels.
  using Key = std::tuple<int64_t, bool, bool, int64_t, int64_t, double, double>;

  // Declares that maps come from `weights`, which must not change while the cache is in use,
  // and from images of `transform`, which names dataset and transform. Keeps the cached maps
  // if both match, comparing the weights element by element; otherwise drops them.
  void Claim(const std::vector<at::Tensor>& weights, const std::string& transform);

  // True if there are cached maps and they come from these weights and this transform.
  bool Matches(const std::vector<at::Tensor>& weights, const std::string& transform) const;

  // Drops everything.
  void Clear();

  // Null if the maps are not cached.
  const std::vector<at::Tensor>* Find(const Key& key) const;

  // Caches the maps if the total stays within max_bytes.
  void Insert(const Key& key, const std::vector<at::Tensor>& maps, int64_t max_bytes);

  int64_t bytes() const;

 private:
  bool MatchesLocked(const std::vector<at::Tensor>& weights, const std::string& transform) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void ClearLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable std::shared_mutex mutex_;
  std::vector<at::Tensor> weights_ ABSL_GUARDED_BY(mutex_);
  std::string transform_ ABSL_GUARDED_BY(mutex_);
  std::map<Key, std::vector<at::Tensor>> maps_ ABSL_GUARDED_BY(mutex_);
  int64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_FEATURE_CACHE_H_
