#include "rcnn/data/coco/coco_root_category.h"

#include <algorithm>

namespace rcnn::data {

std::optional<size_t> FindRootCategory(const CocoInstances& instances) {
  const auto& categories = instances.categories;
  const auto root = std::find_if(categories.begin(), categories.end(),
                                 [](const CocoCategory& category) { return category.id == 0; });
  if (root == categories.end() || root->name.empty()) return std::nullopt;
  const bool is_above =
      std::any_of(categories.begin(), categories.end(), [&](const CocoCategory& other) {
        return other.id != 0 && (other.name == root->name || other.supercategory == root->name);
      });
  const bool is_used = std::any_of(
      instances.annotations.begin(), instances.annotations.end(),
      [](const CocoAnnotation& each) { return each.category_id == 0 && !each.problem.found(); });
  if (!is_above || is_used) return std::nullopt;
  return static_cast<size_t>(root - categories.begin());
}

}  // namespace rcnn::data
