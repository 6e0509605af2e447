// Any bytes as an image: what is decoded has the size of its header.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "rcnn/data/image/decode_image.h"
#include "rcnn/data/image/image_header.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto header = rcnn::data::ParseImageHeader(bytes);
  const auto image = rcnn::data::DecodeImage(bytes, {.max_pixels = 1'000'000});
  if (header.ok() && header->format == rcnn::data::ImageFormat::kJpeg) {
    (void)rcnn::data::JpegIsComplete(bytes);
  }
  if (!image.ok()) return 0;
  if (!header.ok() || image->width() != header->width || image->height() != header->height) {
    std::abort();
  }
  return 0;
}
