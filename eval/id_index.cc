#include "rcnn/eval/id_index.h"

#include <algorithm>

namespace rcnn::eval {
namespace {

// A table of this many entries (16 MiB) is always fine; a larger one when it is
// not much emptier than a hash table.
constexpr uint64_t kSmallTable = uint64_t{1} << 22;
constexpr uint64_t kEntriesPerId = 16;

}  // namespace

IdIndex::IdIndex(absl::Span<const int64_t> ids) : size_(static_cast<int64_t>(ids.size())) {
  if (ids.empty()) return;
  const auto [low, high] = std::minmax_element(ids.begin(), ids.end());
  first_ = static_cast<uint64_t>(*low);
  const uint64_t range = static_cast<uint64_t>(*high) - first_;
  if (range < std::max<uint64_t>(kSmallTable, kEntriesPerId * ids.size())) {
    table_.assign(range + 1, -1);
    for (size_t i = 0; i < ids.size(); ++i) {
      table_[static_cast<uint64_t>(ids[i]) - first_] = static_cast<int32_t>(i);
    }
    return;
  }
  hashed_.reserve(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) hashed_.emplace(ids[i], static_cast<int32_t>(i));
}

}  // namespace rcnn::eval
