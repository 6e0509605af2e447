// Feature maps of a frozen backbone: computed once for each image, without
// gradients, and cached up to a limit.
//
// In steps 3 and 4 of alternating training the shared layers are fixed, so an
// image's maps are the same in every epoch of both, and for the proposals between
// them (feature_cache.h). Each image goes through the network alone, without the
// padding of its batch (detection/batch_map.h), also where all images have one size, so its
// maps do not depend on what is cached, to the last bit. Maps are on the device of the network,
// and cached there, in float32 also under autocast (training_precision.h). The cache is for images
// without random changes of colour: stages/stage_features.h turns it off for others.
//
// Source: Ren et al., arXiv:1506.01497v3, Sec. 3.2, steps 3 and 4.
//
// Example:
//   FrozenFeatures features(model, {.max_bytes = int64_t{2} << 30});
//   detection::BatchFeatures maps = features.Maps(batch);

#ifndef RCNN_TRAINING_TRAINER_FROZEN_FEATURES_H_
#define RCNN_TRAINING_TRAINER_FROZEN_FEATURES_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rcnn/data/loader/batch.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/training/trainer/feature_cache.h"

namespace rcnn::training {

// True if no parameter of backbone and pyramid is trained.
bool HasFrozenFeatures(const detection::FasterRcnn& model);

struct FrozenFeaturesOptions {
  // Limit on the cached maps, in bytes of the device's memory. 0: no cache.
  int64_t max_bytes = 0;
  // A description of everything else that determines the maps for an image id: the input and the
  // precision.
  std::string transform = {};
  // The cache, possibly with maps of an earlier stage; null: a private cache.
  std::shared_ptr<FeatureCache> cache = nullptr;
};

class FrozenFeatures {
 public:
  // The weights of backbone and pyramid must not change or move. After the first maps they are
  // packed for inference, so they must not even be written to or set to training mode.
  FrozenFeatures(std::shared_ptr<detection::FasterRcnn> model, FrozenFeaturesOptions options);

  // True if options.cache has maps of these weights and this transform.
  static bool HasCachedMaps(const detection::FasterRcnn& model,
                            const FrozenFeaturesOptions& options);

  // Returns the maps of the B >= 1 images of a batch that this process takes. Throws c10::Error,
  // naming the image, if neither its maps are cached nor its pixels given.
  detection::BatchFeatures Maps(const data::Batch& batch);

  // True if the maps of this image are cached; they are never evicted. Thread-safe.
  bool IsCached(const data::BatchImage& entry) const;

  int64_t cached_bytes() const { return options_.cache->bytes(); }
  int64_t hits() const { return hits_; }

 private:
  const std::vector<at::Tensor>* Find(const data::BatchImage& entry) const;
  void ComputeEach(const data::Batch& batch, const std::vector<size_t>& slots,
                   std::vector<std::vector<at::Tensor>>& images);
  void Pack();
  std::vector<at::Tensor> Compute(const data::Batch& batch, size_t slot) const;

  std::shared_ptr<detection::FasterRcnn> model_;
  at::Device device_;              // of the network
  FrozenFeaturesOptions options_;  // `cache` is set
  bool is_packed_ = false;
  int64_t hits_ = 0;
};

// Returns BatchBuilderOptions::needs_pixels for batches whose maps come from `features`: images
// with cached maps are not decoded again. Null (all images) if `features` is null.
std::function<bool(const data::BatchImage&)> PixelsNeeded(
    std::shared_ptr<const FrozenFeatures> features);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_FROZEN_FEATURES_H_
