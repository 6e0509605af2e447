#include "rcnn/detection/pool_rois.h"

#include <ATen/ATen.h>

#include <cstdint>
#include <numeric>
#include <vector>

#include "rcnn/base/counted.h"

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

at::Tensor PoolRois(const BatchFeatures& maps, const at::Tensor& rois,
                    const std::vector<int64_t>& rois_of_image, RoiPooling pool) {
  const int64_t all = std::accumulate(rois_of_image.begin(), rois_of_image.end(), int64_t{0});
  TORCH_CHECK(all == rois.size(0), "rois: ", rois.size(0), " of images that have ", all);
  if (maps.parts.size() == 1) return pool(maps.parts.front(), rois);
  TORCH_CHECK(maps.parts.size() == rois_of_image.size(), "rois: of ",
              Counted(rois_of_image.size(), "image"), " for maps of ", maps.parts.size(),
              "; rois_of_image needs a number for each image that has maps, 0 where it has no RoI");
  std::vector<at::Tensor> pooled;
  int64_t begin = 0;
  for (size_t b = 0; b < maps.parts.size(); ++b) {
    const at::Tensor own = rois.narrow(0, begin, rois_of_image[b]).clone();
    own.select(1, 0).zero_();
    pooled.push_back(pool(maps.parts[b], own));
    begin += rois_of_image[b];
  }
  return at::cat(pooled);
}

}  // namespace rcnn::detection
