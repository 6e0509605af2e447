// Feature maps of a backbone that stays as it is: computed once for each picture,
// without gradients, and kept while memory lasts.
//
// In steps 3 and 4 of alternating training the shared layers are fixed, so that a
// picture's maps are the same in every epoch. Each picture goes through the network
// alone, without the padding of its batch: the maps do not depend on which pictures
// share it, nor on what is kept. Pictures whose colours are drawn anew each time
// are not kept.
//
// Source: Ren et al., arXiv:1506.01497v3, Sec. 3.2, steps 3 and 4.
//
// Example:
//   FrozenFeatures features(model, {.max_bytes = int64_t{2} << 30});
//   std::vector<at::Tensor> maps = features.Of(batch);

#ifndef RCNN_TRAINING_FROZEN_FEATURES_H_
#define RCNN_TRAINING_FROZEN_FEATURES_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "rcnn/data/batch.h"
#include "rcnn/detection/faster_rcnn.h"

namespace rcnn::training {

// True if no parameter of backbone and pyramid is trained.
bool HasFrozenFeatures(const detection::FasterRcnn& model);

struct FrozenFeaturesOptions {
  // Of the maps that are kept. 0: none is.
  int64_t max_bytes = 0;
  // Sides of a picture are rounded up to a multiple of this with zeros before the
  // network sees it, as TransformConfig.pad_to_multiple_px does with a batch.
  int64_t pad_to_multiple = 1;
};

class FrozenFeatures {
 public:
  // HasFrozenFeatures(*model) must hold, and its weights must not change.
  FrozenFeatures(std::shared_ptr<detection::FasterRcnn> model, const FrozenFeaturesOptions& options)
      : model_(std::move(model)), options_(options) {}

  // The maps [B, C_l, H_l, W_l] of a batch, zero where a picture has none.
  std::vector<at::Tensor> Of(const data::Batch& batch);

  int64_t kept_bytes() const { return kept_bytes_; }
  int64_t hits() const { return hits_; }

 private:
  // Index, mirrored or not, and input size.
  using Key = std::tuple<int64_t, bool, int64_t, int64_t>;

  std::vector<at::Tensor> OfPicture(const data::Batch& batch, size_t slot);
  std::vector<at::Tensor> Compute(const at::Tensor& picture) const;

  std::shared_ptr<detection::FasterRcnn> model_;
  FrozenFeaturesOptions options_;
  std::map<Key, std::vector<at::Tensor>> kept_;
  int64_t kept_bytes_ = 0;
  int64_t hits_ = 0;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_FROZEN_FEATURES_H_
