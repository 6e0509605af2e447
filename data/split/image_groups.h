// Groups images that come from one source.
//
// Two images have the same source if their names are equal up to Roboflow's ".rf." (augmented
// copies of one image), if their files are equal, or if they look the same (image_hash.h). Groups
// are the connected components of such pairs.
//
// Example:
//   const ImageGroups groups = GroupImages(names, hashes);
//   const bool together = groups.group[0] == groups.group[1];

#ifndef RCNN_DATA_SPLIT_IMAGE_GROUPS_H_
#define RCNN_DATA_SPLIT_IMAGE_GROUPS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "rcnn/data/split/image_hash.h"

namespace rcnn::data {

enum class SameSource { kName, kContent, kLook };

// For messages: "equal name up to .rf.", "equal files", "near-equal images".
absl::string_view Name(SameSource reason);

struct ImagePair {
  int64_t first = 0;
  int64_t second = 0;
  SameSource reason = SameSource::kName;
};

struct ImageGroups {
  // One per image: the smallest index in its group.
  std::vector<int64_t> group;
  // The pairs that connect the groups; not all pairs of a group.
  std::vector<ImagePair> pairs;
};

// `names`: file names; their folders are ignored. `hashes`: one per name, nullopt for an image
// without one. Candidates for a similar look share 16 bits of the hash; bits shared by more than
// 3,000 images are taken for a common background and skipped.
ImageGroups GroupImages(const std::vector<std::string>& names,
                        const std::vector<std::optional<ImageHash>>& hashes);

// "cell_12_jpg" of "train/cell_12_jpg.rf.0a1b2c.jpg"; the name itself if it has no ".rf.".
absl::string_view SourceName(absl::string_view name);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SPLIT_IMAGE_GROUPS_H_
