// Any bytes as the cache of hashes of images, as they are and with a right checksum.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/crc32c.h"
#include "rcnn/base/testing/fuzz_folder.h"
#include "rcnn/data/split/image_hashes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const rcnn::testing::FuzzFolder folder;
  static const std::vector<std::string> paths = {folder.Write("a.jpg", "not an image")};
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const std::string& before :
       {std::string(), absl::StrFormat("%08x\n", rcnn::Crc32c(bytes))}) {
    const std::string cache = folder.Write("cache", absl::StrCat(before, bytes));
    const auto hashes = rcnn::data::HashImages(paths, {.threads = 1, .cache_file = cache});
    if (!hashes.ok() || hashes->size() != 1) std::abort();
  }
  return 0;
}
