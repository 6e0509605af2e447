// Puts detections or annotations in order of category, then image.
//
// Items whose category or image is not in the dataset are left out. Within a
// category and image the order of the file is kept.
//
// Example:
//   const IdIndex categories(truth.categories);
//   const IdIndex images(truth.images);
//   const CategoryOrder order = OrderByCategory(
//       detections.category_ids, detections.image_ids, categories, images, threads);

#ifndef RCNN_EVAL_CATEGORY_ORDER_H_
#define RCNN_EVAL_CATEGORY_ORDER_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "rcnn/eval/id_index.h"

namespace rcnn::eval {

struct CategoryOrder {
  // [N] position of each item's image, -1 where it is not listed.
  std::vector<int32_t> images;
  // Items, those of category k at begin[k] .. begin[k + 1].
  std::vector<uint32_t> items;
  std::vector<int64_t> begin;

  int64_t Count(int64_t k) const { return begin[k + 1] - begin[k]; }
  absl::Span<const uint32_t> OfCategory(int64_t k) const {
    return absl::MakeConstSpan(items).subspan(begin[k], Count(k));
  }
};

// N items, fewer than 2^32. O(N + categories + images). threads: 0 for all cores.
CategoryOrder OrderByCategory(absl::Span<const int64_t> category_ids,
                              absl::Span<const int64_t> image_ids, const IdIndex& categories,
                              const IdIndex& images, int threads);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_CATEGORY_ORDER_H_
