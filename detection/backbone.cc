#include "rcnn/detection/backbone.h"

#include <ATen/ATen.h>

#include <utility>

#include "rcnn/detection/module_parts.h"

namespace rcnn::detection {

std::vector<at::Tensor> Backbone::Forward(const at::Tensor& images) const {
  std::vector<at::Tensor> maps;
  for (const BatchMap& level : Forward(BatchMap(images))) maps.push_back(level.parts.front());
  return maps;
}

std::vector<BatchMap> Backbone::Forward(BatchMap images) const {
  for (at::Tensor& part : images.parts) {
    CheckImages(part);
    if (part.device().is_cpu()) part = part.contiguous();
  }
  return Compute(std::move(images));
}

void Backbone::CheckImages(const at::Tensor& images) const {
  TORCH_CHECK(images.dim() == 4 && images.size(1) == 3 && images.is_floating_point(),
              "images: expected a float tensor [B, 3, H, W], got ", images.scalar_type(), " ",
              images.sizes());
  TORCH_CHECK(images.size(2) >= min_side_px_ && images.size(3) >= min_side_px_,
              "images: ", images.sizes(), " are smaller than ", min_side_px_, " x ", min_side_px_,
              " pixels, which this backbone needs");
}

void Backbone::FreezeStages(int64_t count) {
  TORCH_CHECK(count >= 0 && count <= static_cast<int64_t>(stages_.size()), "frozen_stages is ",
              count, "; this backbone has ", stages_.size(), " stages");
  for (int64_t i = 0; i < count; ++i) {
    for (const std::string& name : stages_[i]) Freeze(*FindPart(*this, name));
  }
}

}  // namespace rcnn::detection
