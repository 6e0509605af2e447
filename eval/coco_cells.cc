#include "rcnn/eval/coco_cells.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "rcnn/eval/id_index.h"

namespace rcnn::eval {
namespace {

// The position of an item; an unlisted id is -1.
struct Place {
  int32_t category = 0;
  int32_t image = 0;
};

bool Before(const Place& a, const Place& b) {
  return a.category != b.category ? a.category < b.category : a.image < b.image;
}

// Stable counting sort of items by a key in [0, keys).
template <typename Key>
std::vector<uint32_t> SortByKey(const std::vector<uint32_t>& items, int64_t keys, Key key) {
  std::vector<uint32_t> begin(keys + 1, 0);
  for (uint32_t item : items) ++begin[key(item) + 1];
  for (int64_t k = 0; k < keys; ++k) begin[k + 1] += begin[k];
  std::vector<uint32_t> sorted(items.size());
  for (uint32_t item : items) sorted[begin[key(item)]++] = item;
  return sorted;
}

// Indices of the places that are listed, by category, image and index.
std::vector<uint32_t> Order(const std::vector<Place>& places, const GroundTruth& truth) {
  std::vector<uint32_t> items;
  items.reserve(places.size());
  for (size_t i = 0; i < places.size(); ++i) {
    if (places[i].category >= 0 && places[i].image >= 0) items.push_back(static_cast<uint32_t>(i));
  }
  items = SortByKey(items, static_cast<int64_t>(truth.images.size()),
                    [&](uint32_t i) { return places[i].image; });
  return SortByKey(items, static_cast<int64_t>(truth.categories.size()),
                   [&](uint32_t i) { return places[i].category; });
}

// Walks over one ordered list, cell by cell.
class Walk {
 public:
  Walk(const std::vector<uint32_t>& order, const std::vector<Place>& places)
      : order_(order), places_(places) {}

  // The place of the next cell; beyond every other at the end.
  Place Next() const {
    constexpr int32_t kEnd = std::numeric_limits<int32_t>::max();
    return at_ < order_.size() ? places_[order_[at_]] : Place{kEnd, kEnd};
  }
  bool done() const { return at_ == order_.size(); }

  // Skips the items of `place` and returns their range.
  std::pair<int64_t, int64_t> Take(const Place& place) {
    const size_t begin = at_;
    while (!done() && !Before(place, Next())) ++at_;
    return {static_cast<int64_t>(begin), static_cast<int64_t>(at_)};
  }

 private:
  const std::vector<uint32_t>& order_;
  const std::vector<Place>& places_;
  size_t at_ = 0;
};

}  // namespace

CocoCells GroupByCell(const GroundTruth& truth, const Detections& detections) {
  const IdIndex images(truth.images);
  const IdIndex categories(truth.categories);
  auto place = [&](int64_t category_id, int64_t image_id) {
    return Place{static_cast<int32_t>(categories.Find(category_id)),
                 static_cast<int32_t>(images.Find(image_id))};
  };
  std::vector<Place> dt_places(detections.size());
  for (int64_t i = 0; i < detections.size(); ++i) {
    dt_places[i] = place(detections.category_ids[i], detections.image_ids[i]);
  }
  std::vector<Place> gt_places;
  gt_places.reserve(truth.annotations.size());
  for (const Annotation& a : truth.annotations) {
    gt_places.push_back(place(a.category_id, a.image_id));
  }

  CocoCells result;
  result.detections = Order(dt_places, truth);
  result.annotations = Order(gt_places, truth);
  result.category_begin.assign(truth.categories.size() + 1, 0);
  Walk dts(result.detections, dt_places);
  Walk gts(result.annotations, gt_places);
  while (!dts.done() || !gts.done()) {
    const Place cell = std::min(dts.Next(), gts.Next(), Before);
    const auto [dt_begin, dt_end] = dts.Take(cell);
    const auto [gt_begin, gt_end] = gts.Take(cell);
    result.cells.push_back({cell.category, cell.image, dt_begin, dt_end, gt_begin, gt_end});
    ++result.category_begin[cell.category + 1];
  }
  for (size_t k = 0; k < truth.categories.size(); ++k) {
    result.category_begin[k + 1] += result.category_begin[k];
  }
  return result;
}

}  // namespace rcnn::eval
