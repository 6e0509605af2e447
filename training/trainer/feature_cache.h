// Feature maps of images, kept from one stage to the next.
//
// Steps 3 and 4 train on the same frozen convolutions: what step 3 has computed, the
// proposals after it and step 4 take from here. Maps belong to the weights and to the transform
// that have made them; those of others are dropped. Find() and Keep() may be called from any
// number of threads; what Find() has returned stays until Claim() or Clear().
//
// Example:
//   cache->Claim(weights, transform);
//   const std::vector<at::Tensor>* maps = cache->Find(key);

#ifndef RCNN_TRAINING_TRAINER_FEATURE_CACHE_H_
#define RCNN_TRAINING_TRAINER_FEATURE_CACHE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace rcnn::training {

class FeatureCache {
 public:
  // The image's id, mirrored or not, upside down or not, the input's height and width,
  // and how much it is scaled along each: by that pixels are placed.
  using Key = std::tuple<int64_t, bool, bool, int64_t, int64_t, double, double>;

  // From here on maps are those that `weights`, which must not change while the cache
  // is used, make of images by `transform`: dataset and transform in words. Keeps the maps that
  // are here if they are such, comparing the weights element by element; else drops them.
  void Claim(const std::vector<at::Tensor>& weights, const std::string& transform);

  // True if the maps that are here are such, and there are any.
  bool Holds(const std::vector<at::Tensor>& weights, const std::string& transform) const;

  // Drops everything.
  void Clear();

  // Null if they are not kept.
  const std::vector<at::Tensor>* Find(const Key& key) const;

  // Keeps the maps if all maps together stay within max_bytes.
  void Keep(const Key& key, const std::vector<at::Tensor>& maps, int64_t max_bytes);

  int64_t bytes() const;

 private:
  bool HoldsLocked(const std::vector<at::Tensor>& weights, const std::string& transform) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void ClearLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::vector<at::Tensor> weights_ ABSL_GUARDED_BY(mutex_);
  std::string transform_ ABSL_GUARDED_BY(mutex_);
  std::map<Key, std::vector<at::Tensor>> maps_ ABSL_GUARDED_BY(mutex_);
  int64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_FEATURE_CACHE_H_
