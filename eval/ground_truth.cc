#include "rcnn/eval/ground_truth.h"

#include <algorithm>

namespace rcnn::eval {
namespace {

template <typename T>
void SortById(std::vector<T>& items) {
  std::stable_sort(items.begin(), items.end(), [](const T& a, const T& b) { return a.id < b.id; });
  // In reverse, so that the last of equals is kept.
  auto same_id = [](const T& a, const T& b) { return a.id == b.id; };
  auto kept = std::unique(items.rbegin(), items.rend(), same_id);
  items.erase(items.begin(), kept.base());
}

template <typename T>
int64_t FindById(const std::vector<T>& items, int64_t id) {
  auto found = std::lower_bound(items.begin(), items.end(), id,
                                [](const T& item, int64_t value) { return item.id < value; });
  return found == items.end() || found->id != id ? -1 : found - items.begin();
}

}  // namespace

void GroundTruth::Normalize() {
  SortById(images);
  SortById(categories);
}

int64_t GroundTruth::ImageIndex(int64_t id) const { return FindById(images, id); }

int64_t GroundTruth::CategoryIndex(int64_t id) const { return FindById(categories, id); }

int64_t GroundTruth::CategoryIndex(absl::string_view name) const {
  for (size_t i = 0; i < categories.size(); ++i) {
    if (categories[i].name == name) return static_cast<int64_t>(i);
  }
  return -1;
}

}  // namespace rcnn::eval
