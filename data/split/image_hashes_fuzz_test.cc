// Any bytes as the cache of hashes of images: an image has the hash of its bytes.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "rcnn/base/testing/fuzz_folder.h"
#include "rcnn/data/split/image_hashes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const rcnn::testing::FuzzFolder folder;
  static const std::vector<std::string> paths = {folder.Write("a.jpg", "not an image")};
  const std::string cache =
      folder.Write("cache", absl::string_view(reinterpret_cast<const char*>(data), size));
  const auto hashes = rcnn::data::HashImages(paths, {.threads = 1, .cache_file = cache});
  if (!hashes.ok() || hashes->size() != 1) std::abort();
  return 0;
}
