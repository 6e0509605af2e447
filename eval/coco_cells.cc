#include "rcnn/eval/coco_cells.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "rcnn/eval/category_order.h"
#include "rcnn/eval/id_index.h"

namespace rcnn::eval {
namespace {

// Iterates over the items of one category, image by image.
class Walk {
 public:
  Walk(const CategoryOrder& order, int64_t k)
      : order_(order), at_(order.begin[k]), end_(order.begin[k + 1]) {}

  // The image of the next item; at the end, larger than any image.
  int32_t Next() const {
    return done() ? std::numeric_limits<int32_t>::max() : order_.images[order_.items[at_]];
  }
  bool done() const { return at_ == end_; }

  // Advances past the items of `image` and returns their range.
  std::pair<int64_t, int64_t> Take(int32_t image) {
    const int64_t begin = at_;
    while (!done() && Next() == image) ++at_;
    return {begin, at_};
  }

 private:
  const CategoryOrder& order_;
  int64_t at_;
  const int64_t end_;
};

}  // namespace

CocoCells GroupByCell(const GroundTruth& truth, const Detections& detections) {
  const IdIndex images(truth.images);
  const IdIndex categories(truth.categories);
  std::vector<int64_t> gt_categories;
  std::vector<int64_t> gt_images;
  for (const Annotation& a : truth.annotations) {
    gt_categories.push_back(a.category_id);
    gt_images.push_back(a.image_id);
  }
  const CategoryOrder dt_order = OrderByCategory(detections.category_ids, detections.image_ids,
                                                 categories, images, /*threads=*/0);
  const CategoryOrder gt_order =
      OrderByCategory(gt_categories, gt_images, categories, images, /*threads=*/1);
  CocoCells result;
  result.category_begin.push_back(0);
  for (int64_t k = 0; k < categories.size(); ++k) {
    Walk dts(dt_order, k);
    Walk gts(gt_order, k);
    while (!dts.done() || !gts.done()) {
      const int32_t image = std::min(dts.Next(), gts.Next());
      const auto [dt_begin, dt_end] = dts.Take(image);
      const auto [gt_begin, gt_end] = gts.Take(image);
      result.cells.push_back({static_cast<int32_t>(k), image, dt_begin, dt_end, gt_begin, gt_end});
    }
    result.category_begin.push_back(static_cast<int64_t>(result.cells.size()));
  }
  result.detections = dt_order.items;
  result.annotations = gt_order.items;
  return result;
}

}  // namespace rcnn::eval
