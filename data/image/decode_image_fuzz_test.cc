#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "rcnn/data/image/decode_image.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  rcnn::data::DecodeImage(bytes, {.max_pixels = 1'000'000}).status().IgnoreError();
  return 0;
}
