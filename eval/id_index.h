// Finds the position of an id in constant time.
//
// Ids of images and categories may be any 64-bit integers. In common datasets their
// range is small enough for a table, which is several times faster than hashing;
// otherwise ids are hashed.
//
// Example:
//   IdIndex images(truth.images);
//   int64_t i = images.Find(139);

#ifndef RCNN_EVAL_ID_INDEX_H_
#define RCNN_EVAL_ID_INDEX_H_

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"

namespace rcnn::eval {

class IdIndex {
 public:
  // ids: distinct, fewer than 2^31.
  explicit IdIndex(absl::Span<const int64_t> ids);

  // An index of the `id` members of items.
  template <typename T, typename = decltype(T::id)>
  explicit IdIndex(const std::vector<T>& items) : IdIndex(absl::MakeConstSpan(Ids(items))) {}

  int64_t size() const { return size_; }

  // The position of `id`, -1 if unknown.
  int64_t Find(int64_t id) const {
    const uint64_t offset = static_cast<uint64_t>(id) - first_;
    if (offset < table_.size()) return table_[offset];
    if (hashed_.empty()) return -1;
    auto found = hashed_.find(id);
    return found == hashed_.end() ? -1 : found->second;
  }

 private:
  template <typename T>
  static std::vector<int64_t> Ids(const std::vector<T>& items) {
    std::vector<int64_t> ids;
    ids.reserve(items.size());
    for (const T& item : items) ids.push_back(item.id);
    return ids;
  }

  int64_t size_ = 0;
  uint64_t first_ = 0;
  std::vector<int32_t> table_;  // of id - first_; empty when hashed
  absl::flat_hash_map<int64_t, int32_t> hashed_;
};

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_ID_INDEX_H_
