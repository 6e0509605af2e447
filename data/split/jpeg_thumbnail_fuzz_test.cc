#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "rcnn/data/split/jpeg_thumbnail.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto thumbnail = rcnn::data::DecodeJpegThumbnail(bytes, /*max_pixels=*/1'000'000);
  if (!thumbnail.ok()) return 0;
  if (static_cast<int64_t>(thumbnail->pixels.size()) != thumbnail->width * thumbnail->height) {
    std::abort();
  }
  return 0;
}
