#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "rcnn/data/labelme/labelme_annotation.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto annotation = rcnn::data::ParseLabelMe(bytes);
  if (!annotation.ok()) return 0;
  for (const int64_t side : {annotation->width, annotation->height}) {
    if (side < 0 || side > 999'999'999) std::abort();
  }
  for (const rcnn::data::LabelMeShape& shape : annotation->shapes) {
    const bool is_unread = shape.problem == rcnn::data::DefectKind::kMissingField ||
                           shape.problem == rcnn::data::DefectKind::kBadNumber;
    if (is_unread ? shape.xywh != std::array<double, 4>{} : shape.label.empty()) std::abort();
  }
  return 0;
}
