#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/safetensors.h"

// Every returned array must be inside the file: its bytes are read.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<rcnn::SafetensorsView> view = rcnn::SafetensorsView::Parse(bytes);
  if (!view.ok()) return 0;
  volatile char sink = 0;
  for (const rcnn::SafetensorsArray& array : view->arrays()) {
    for (const char byte : array.bytes) sink = byte;
  }
  static_cast<void>(sink);
  return 0;
}
