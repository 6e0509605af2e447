#include "rcnn/data/split/image_groups.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "rcnn/data/core/folder_listing.h"

namespace rcnn::data {
namespace {

// Looks that differ in at most kSameLook bits are equal in at least one of kSameLook + 1
// pieces (pigeonhole principle), so only images that share a piece are compared. 16 pieces of
// 16 bits keep the number of images that share one by chance small.
constexpr int kPieces = 16;
static_assert(kSameLook < kPieces);
constexpr size_t kLargestBucket = 3000;

// Union-find with path halving; the root of a group is its smallest index.
class Connector {
 public:
  explicit Connector(size_t size) : parent_(size) { std::iota(parent_.begin(), parent_.end(), 0); }

  int64_t Find(int64_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }

  void Connect(int64_t a, int64_t b, SameSource reason) {
    const int64_t first = Find(a), second = Find(b);
    if (first == second) return;
    parent_[std::max(first, second)] = std::min(first, second);
    pairs_.push_back({std::min(a, b), std::max(a, b), reason});
  }

  ImageGroups Result() {
    ImageGroups groups;
    for (size_t i = 0; i < parent_.size(); ++i) {
      groups.group.push_back(Find(static_cast<int64_t>(i)));
    }
    groups.pairs = std::move(pairs_);
    return groups;
  }

 private:
  std::vector<int64_t> parent_;
  std::vector<ImagePair> pairs_;
};

uint16_t Piece(const ImageHash& hash, int piece) {
  return static_cast<uint16_t>(hash.look[static_cast<size_t>(piece / 4)] >> (16 * (piece % 4)));
}

// Connects those of `images` that look the same, comparing all pairs.
void ConnectPairs(const std::vector<std::optional<ImageHash>>& hashes,
                  const std::vector<int64_t>& images, Connector& connector) {
  for (size_t a = 0; a < images.size(); ++a) {
    for (size_t b = a + 1; b < images.size(); ++b) {
      if (LookDistance(*hashes[images[a]], *hashes[images[b]]) <= kSameLook) {
        connector.Connect(images[a], images[b], SameSource::kLook);
      }
    }
  }
}

void ConnectLooks(const std::vector<std::optional<ImageHash>>& hashes, Connector& connector) {
  for (int piece = 0; piece < kPieces; ++piece) {
    absl::flat_hash_map<uint16_t, std::vector<int64_t>> buckets;
    for (size_t i = 0; i < hashes.size(); ++i) {
      if (hashes[i]) buckets[Piece(*hashes[i], piece)].push_back(static_cast<int64_t>(i));
    }
    for (const auto& [value, images] : buckets) {
      if (images.size() <= kLargestBucket) ConnectPairs(hashes, images, connector);
    }
  }
}

}  // namespace

absl::string_view Name(SameSource reason) {
  switch (reason) {
    case SameSource::kName:
      return "equal name up to .rf.";
    case SameSource::kContent:
      return "equal files";
    case SameSource::kLook:
      return "near-equal images";
  }
  return "";
}

absl::string_view SourceName(absl::string_view name) {
  const size_t mark = FilePart(name).find(".rf.");
  return mark == absl::string_view::npos ? name : FilePart(name).substr(0, mark);
}

ImageGroups GroupImages(const std::vector<std::string>& names,
                        const std::vector<std::optional<ImageHash>>& hashes) {
  Connector connector(names.size());
  absl::flat_hash_map<std::string, int64_t> first_by_name;
  absl::flat_hash_map<std::array<uint64_t, 2>, int64_t> first_by_content;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto index = static_cast<int64_t>(i);
    const auto [by_name, new_name] = first_by_name.try_emplace(SourceName(names[i]), index);
    if (!new_name && SourceName(names[i]) != names[i]) {
      connector.Connect(by_name->second, index, SameSource::kName);
    }
    if (!hashes[i]) continue;
    const auto [by_content, new_content] = first_by_content.try_emplace(hashes[i]->content, index);
    if (!new_content) connector.Connect(by_content->second, index, SameSource::kContent);
  }
  ConnectLooks(hashes, connector);
  return connector.Result();
}

}  // namespace rcnn::data
