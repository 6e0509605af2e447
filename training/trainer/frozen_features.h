// Feature maps of a backbone that stays as it is: computed once for each image,
// without gradients, and kept while memory lasts.
//
// In steps 3 and 4 of alternating training the shared layers are fixed, so that a
// image's maps are the same in every epoch of both, and for the proposals between
// them (feature_cache.h). Each image goes through the network alone, without the
// padding of its batch: the maps do not depend on which images share it, nor on
// what is kept. Images whose colours are drawn anew each time are not kept.
//
// Source: Ren et al., arXiv:1506.01497v3, Sec. 3.2, steps 3 and 4.
//
// Example:
//   FrozenFeatures features(model, {.max_bytes = int64_t{2} << 30});
//   std::vector<at::Tensor> maps = features.Of(batch);

#ifndef RCNN_TRAINING_TRAINER_FROZEN_FEATURES_H_
#define RCNN_TRAINING_TRAINER_FROZEN_FEATURES_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "rcnn/data/loader/batch.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/training/trainer/feature_cache.h"

namespace rcnn::training {

// True if no parameter of backbone and pyramid is trained.
bool HasFrozenFeatures(const detection::FasterRcnn& model);

struct FrozenFeaturesOptions {
  // Of the maps that are kept. 0: none is.
  int64_t max_bytes = 0;
  // Sides of an image are rounded up to a multiple of this with zeros before the
  // network sees it, as TransformConfig.pad_to_multiple_px does with a batch.
  int64_t pad_to_multiple = 1;
  // What else makes the input of an image of that id, in words.
  std::string transform = {};
  // Where maps are kept, perhaps with those of an earlier stage; null: in one of its own.
  std::shared_ptr<FeatureCache> cache = nullptr;
};

class FrozenFeatures {
 public:
  // The weights of backbone and pyramid must stay what they are. From the first maps on
  // they must not even be written to, nor set to train: they are packed for inference.
  FrozenFeatures(std::shared_ptr<detection::FasterRcnn> model, FrozenFeaturesOptions options);

  // True if options.cache has maps of these weights and this transform.
  static bool AreKept(const detection::FasterRcnn& model, const FrozenFeaturesOptions& options);

  // The maps [B, C_l, H_l, W_l] of a batch, zero where an image has none. Images whose maps
  // are not kept must have their pixels.
  std::vector<at::Tensor> Of(const data::Batch& batch);

  // True if Of() finds the maps of this image, here and from now on. Any thread may ask.
  bool Keep(const data::BatchImage& entry) const;

  int64_t kept_bytes() const { return options_.cache->bytes(); }
  int64_t hits() const { return hits_; }

 private:
  const std::vector<at::Tensor>* Find(const data::BatchImage& entry) const;
  void ComputeEach(const data::Batch& batch, const std::vector<size_t>& slots,
                   std::vector<std::vector<at::Tensor>>& images);
  void Pack();
  std::vector<at::Tensor> Compute(const data::Batch& batch, size_t slot) const;

  std::shared_ptr<detection::FasterRcnn> model_;
  FrozenFeaturesOptions options_;  // `cache` is set
  bool is_packed_ = false;
  int64_t hits_ = 0;
};

// What BatchBuilderOptions::needs_pixels is for batches whose maps come from `features`: images
// whose maps are kept are not decoded again. Null, for all images, where `features` is.
std::function<bool(const data::BatchImage&)> PixelsNeededFor(
    std::shared_ptr<const FrozenFeatures> features);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_FROZEN_FEATURES_H_
