// entries, in random order:    kept = batches * batch_size | the rest, unchanged
// SortByBlocks(kept):          blocks in the order of their random ranks
// the streams:                 consecutive parts of that, as long as their batches
// MixWindows(part):            windows of mixed_blocks blocks, each mixed
// the result:                  a batch of each stream in turn, then the rest

#include "rcnn/data/loader/block_order.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <tuple>
#include <utility>

#include "absl/types/span.h"
#include "glog/logging.h"

namespace rcnn::data {
namespace {

class BlockOrder {
 public:
  BlockOrder(const BlockOrderOptions& options, const MixFunction& mix)
      : options_(options), mix_(mix), blocks_(std::min(options.blocks, options.images)) {}

  std::vector<EpochEntry> Order(std::vector<EpochEntry> entries, RandomStream& random) const {
    const size_t size = static_cast<size_t>(options_.batch_size);
    const size_t kept = static_cast<size_t>(options_.batches) * size;
    CHECK(kept <= entries.size()) << kept << " of " << entries.size();
    SortByBlocks(absl::MakeSpan(entries).first(kept), random);
    const std::vector<std::vector<EpochEntry>> streams =
        MixStreams(absl::MakeConstSpan(entries).first(kept));
    std::vector<size_t> next(streams.size(), 0);
    std::vector<EpochEntry> ordered;
    ordered.reserve(entries.size());
    for (int64_t batch = 0; batch < options_.batches; ++batch) {
      const size_t s = static_cast<size_t>((options_.first_batch + batch) % options_.streams);
      for (size_t i = 0; i < size; ++i) ordered.push_back(streams[s][next[s]++]);
    }
    ordered.insert(ordered.end(), entries.begin() + static_cast<std::ptrdiff_t>(kept),
                   entries.end());
    return ordered;
  }

 private:
  // The k with n k / B <= index < n (k + 1) / B, in whole numbers.
  int64_t FindBlock(const EpochEntry& entry) const {
    return ((entry.index + 1) * blocks_ - 1) / options_.images;
  }

  void SortByBlocks(absl::Span<EpochEntry> entries, RandomStream& random) const {
    std::vector<int64_t> ranks(static_cast<size_t>(blocks_));
    std::iota(ranks.begin(), ranks.end(), 0);
    random.Shuffle(ranks);
    const auto place = [&](const EpochEntry& entry) {
      return std::make_tuple(ranks[static_cast<size_t>(FindBlock(entry))], entry.index,
                             entry.flipped);
    };
    std::sort(entries.begin(), entries.end(),
              [&](const EpochEntry& a, const EpochEntry& b) { return place(a) < place(b); });
  }

  // The batches of the epoch that take their images from the stream.
  int64_t CountBatches(int64_t stream) const {
    const int64_t first = options_.first_batch % options_.streams;
    const int64_t before = (stream - first + options_.streams) % options_.streams;
    return std::max<int64_t>(0, options_.batches - before + options_.streams - 1) /
           options_.streams;
  }

  std::vector<std::vector<EpochEntry>> MixStreams(absl::Span<const EpochEntry> entries) const {
    std::vector<std::vector<EpochEntry>> streams;
    for (int64_t s = 0; s < options_.streams; ++s) {
      const size_t count = static_cast<size_t>(CountBatches(s) * options_.batch_size);
      streams.push_back(MixWindows(entries.first(count)));
      entries.remove_prefix(count);
    }
    return streams;
  }

  // The number of entries at the beginning that lie in mixed_blocks blocks.
  size_t FindWindow(absl::Span<const EpochEntry> entries) const {
    int64_t blocks = 0;
    int64_t last = -1;
    for (size_t i = 0; i < entries.size(); ++i) {
      const int64_t block = FindBlock(entries[i]);
      if (block == last) continue;
      if (blocks++ == options_.mixed_blocks) return i;
      last = block;
    }
    return entries.size();
  }

  std::vector<EpochEntry> MixWindows(absl::Span<const EpochEntry> entries) const {
    std::vector<EpochEntry> mixed;
    std::vector<EpochEntry> pool;
    while (!entries.empty()) {
      const size_t window = FindWindow(entries);
      pool.insert(pool.end(), entries.begin(), entries.begin() + window);
      entries.remove_prefix(window);
      pool = mix_(std::move(pool));
      const size_t carried =
          entries.empty() ? 0 : pool.size() % static_cast<size_t>(options_.group);
      const auto end = pool.end() - static_cast<std::ptrdiff_t>(carried);
      mixed.insert(mixed.end(), pool.begin(), end);
      pool.erase(pool.begin(), end);
    }
    return mixed;
  }

  const BlockOrderOptions& options_;
  const MixFunction& mix_;
  const int64_t blocks_;
};

}  // namespace

std::vector<EpochEntry> OrderByBlocks(std::vector<EpochEntry> entries,
                                      const BlockOrderOptions& options, const MixFunction& mix,
                                      RandomStream& random) {
  return BlockOrder(options, mix).Order(std::move(entries), random);
}

}  // namespace rcnn::data
