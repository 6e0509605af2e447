#include "rcnn/detection/packed_cache_options.h"

#include <cstdlib>

#include "rcnn/base/user_cache.h"

namespace rcnn::detection {

std::string DefaultPackedCacheFolder() {
  const char* const chosen = std::getenv("RCNN_PACKED_CACHE");
  if (chosen != nullptr) return chosen[0] == '/' ? chosen : "";
  return std::getenv("TEST_TMPDIR") != nullptr ? "" : UserCacheFolder("packed_models");
}

}  // namespace rcnn::detection
