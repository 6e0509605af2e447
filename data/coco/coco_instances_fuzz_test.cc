#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "rcnn/data/coco/coco_instances.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto instances = rcnn::data::ParseCocoInstances(bytes);
  if (!instances.ok()) return 0;
  for (const rcnn::data::CocoAnnotation& annotation : instances->annotations) {
    for (const double number : annotation.bbox) {
      if (!annotation.problem.found() && !std::isfinite(number)) std::abort();
    }
  }
  const auto count = static_cast<int64_t>(instances->annotations.size());
  for (const auto& [place, value] : instances->bad_values) {
    if (place < 0 || place >= count) std::abort();
    if (!instances->annotations[static_cast<size_t>(place)].problem.found()) std::abort();
  }
  return 0;
}
