#include "rcnn/eval/category_order.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "rcnn/eval/parallel_for.h"

namespace rcnn::eval {
namespace {

constexpr int64_t kBlock = 1 << 16;

// Stable counting sort of items by key(item) in [0, keys). Returns where each key
// begins in `items`, and at the end their number.
template <typename Key>
std::vector<int64_t> SortByKey(std::vector<uint32_t>& items, int64_t keys, Key key) {
  std::vector<int64_t> begin(keys + 1, 0);
  for (uint32_t item : items) ++begin[key(item) + 1];
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  std::vector<int64_t> next = begin;
  std::vector<uint32_t> sorted(items.size());
  for (uint32_t item : items) sorted[next[key(item)]++] = item;
  items = std::move(sorted);
  return begin;
}

}  // namespace

CategoryOrder OrderByCategory(absl::Span<const int64_t> category_ids,
                              absl::Span<const int64_t> image_ids, const IdIndex& categories,
                              const IdIndex& images, int threads) {
  const auto N = static_cast<int64_t>(category_ids.size());
  CategoryOrder order;
  order.images.resize(N);
  std::vector<int32_t> category(N);
  ParallelFor((N + kBlock - 1) / kBlock, threads, [&](int64_t block) {
    for (int64_t i = block * kBlock; i < std::min(N, (block + 1) * kBlock); ++i) {
      order.images[i] = static_cast<int32_t>(images.Find(image_ids[i]));
      category[i] = static_cast<int32_t>(categories.Find(category_ids[i]));
    }
  });
  order.items.reserve(N);
  bool images_ascend = true;
  int32_t last = -1;
  for (int64_t i = 0; i < N; ++i) {
    if (category[i] < 0 || order.images[i] < 0) continue;
    order.items.push_back(static_cast<uint32_t>(i));
    images_ascend &= order.images[i] >= last;
    last = order.images[i];
  }
  // Most results files have the images in order already.
  if (!images_ascend) {
    SortByKey(order.items, images.size(), [&](uint32_t i) { return order.images[i]; });
  }
  order.begin = SortByKey(order.items, categories.size(), [&](uint32_t i) { return category[i]; });
  return order;
}

}  // namespace rcnn::eval
