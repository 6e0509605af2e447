#include "rcnn/data/coco_instances.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  rcnn::data::ParseCocoInstances(bytes).status().IgnoreError();
  return 0;
}
