// Where a cache of prepared models lies, how large it may become, and where weights come from.
//
// packed_cache.h explains and implements the cache.
//
// Example:
//   const PackedCacheOptions options = {.folder = DefaultPackedCacheFolder()};

#ifndef RCNN_DETECTION_PACKED_CACHE_OPTIONS_H_
#define RCNN_DETECTION_PACKED_CACHE_OPTIONS_H_

#include <cstdint>
#include <string>

#include "rcnn/base/file_state.h"

namespace rcnn::detection {

struct PackedCacheOptions {
  // Created when it is needed, for this user alone. "": no cache.
  std::string folder = {};
  // Of all files of the cache; those whose last use is longest ago are deleted. Other files in the
  // folder stay. A model that takes more is not kept.
  int64_t max_bytes = int64_t{4} << 30;
  // A weights' file that was changed less than this before is not kept, because a second change may
  // not show in its state.
  int64_t min_age_ns = 2'000'000'000;
};

// Where weights come from; `state` was read before they were.
struct WeightsOrigin {
  std::string path;  // "": they are not from a file
  FileState state = {};
};

// The folder for programs: $RCNN_PACKED_CACHE if it is set, where anything but an absolute path
// means none (""); else none in Bazel's tests (TEST_TMPDIR is set); else "packed_models" in the
// user's cache (base/user_cache.h).
std::string DefaultPackedCacheFolder();

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_PACKED_CACHE_OPTIONS_H_
