#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "rcnn/data/image/exif_orientation.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  rcnn::data::ParseExifOrientation(absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
