#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "rcnn/data/cvat/cvat_annotation.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto annotation = rcnn::data::ParseCvat(bytes);
  if (!annotation.ok()) return 0;
  for (const rcnn::data::CvatImage& image : annotation->images) {
    if (image.width < 0 || image.height < 0) std::abort();
    for (const rcnn::data::CvatShape& shape : image.shapes) {
      if (!shape.problem && shape.label.empty()) std::abort();
    }
  }
  return 0;
}
