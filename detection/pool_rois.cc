#include "rcnn/detection/pool_rois.h"

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace rcnn::detection {

at::Tensor PoolRois(const BatchFeatures& maps, const at::Tensor& rois, RoiPooling pool) {
  if (maps.parts.size() == 1) return pool(maps.parts.front(), rois);
  const at::Tensor image = rois.select(1, 0);
  std::vector<at::Tensor> rows, pooled;
  int64_t begin = 0;
  for (const FeatureMaps& part : maps.parts) {
    const int64_t end = begin + part.num_images();
    rows.push_back((image >= begin).logical_and(image < end).nonzero().squeeze(1));
    at::Tensor own = rois.index_select(0, rows.back());
    own.select(1, 0).sub_(begin);
    pooled.push_back(pool(part, own));
    begin = end;
  }
  const at::Tensor order = at::cat(rows);
  TORCH_CHECK(order.size(0) == rois.size(0), "rois: ", rois.size(0) - order.size(0), " of ",
              rois.size(0), " are of no image of a batch of ", begin);
  return at::cat(pooled).index_select(0, at::argsort(order));
}

}  // namespace rcnn::detection
