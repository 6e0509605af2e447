// Hashes of many images, computed once.
//
// In parallel, and kept in a file of the user's cache: an image whose path, size and
// modification time are those of an earlier run is not opened again. A cache that cannot be read
// or written costs time, not results; one of more than 1 GiB, or with anything in it that is not
// written here, is not read. Reading takes memory of at most ten times its size.
//
// Example:
//   const HashOptions options = {.cache_file = HashCacheFile("cells")};
//   RCNN_ASSIGN_OR_RETURN(const auto hashes, HashImages(paths, options));

#ifndef RCNN_DATA_SPLIT_IMAGE_HASHES_H_
#define RCNN_DATA_SPLIT_IMAGE_HASHES_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/data/split/image_hash.h"

namespace rcnn::data {

struct HashOptions {
  // >= 1.
  int threads = 1;
  // "" for none.
  std::string cache_file = {};
  // As in ImageCheckOptions.
  std::function<void()> progress = nullptr;
  // Called instead for an image whose hash is in the cache; null: `progress`. Threads as there.
  std::function<void()> known = nullptr;
  std::function<bool()> stop = nullptr;
};

// In the order of the paths; nullopt for an image that is missing or damaged. One that cannot be
// read now (base/stored_file.h) is an error: what resembles it would be unknown. kCancelled after
// `stop`. What was computed is in the cache then.
absl::StatusOr<std::vector<std::optional<ImageHash>>> HashImages(
    const std::vector<std::string>& paths, const HashOptions& options);

// The cache of a folder of images, in the user's cache (base/user_cache.h); "" where there is none,
// and for a relative path in a deleted directory.
std::string HashCacheFile(const std::string& folder);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SPLIT_IMAGE_HASHES_H_
