#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "rcnn/data/voc/voc_annotation.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto annotation = rcnn::data::ParseVocAnnotation(bytes);
  if (!annotation.ok()) return 0;
  if (annotation->width < 0 || annotation->height < 0) std::abort();
  for (const rcnn::data::VocObject& object : annotation->objects) {
    for (const double corner : object.corners) {
      if (!object.problem && !std::isfinite(corner)) std::abort();
    }
  }
  return 0;
}
