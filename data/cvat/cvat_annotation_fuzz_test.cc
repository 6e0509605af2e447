#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "rcnn/data/cvat/cvat_annotation.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  rcnn::data::ParseCvat(bytes).status().IgnoreError();
  return 0;
}
