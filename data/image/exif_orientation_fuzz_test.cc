#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "rcnn/data/image/exif_orientation.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const int orientation = static_cast<int>(rcnn::data::ParseExifOrientation(bytes));
  if (orientation < 1 || orientation > 8) std::abort();
  return 0;
}
