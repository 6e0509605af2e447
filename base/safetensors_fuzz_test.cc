#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/safetensors.h"

// Every returned array must have the bytes of its shape and be inside the file: they are read.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<rcnn::SafetensorsView> view = rcnn::SafetensorsView::Parse(bytes);
  if (!view.ok()) return 0;
  volatile char sink = 0;
  for (const rcnn::SafetensorsArray& array : view->arrays()) {
    const absl::StatusOr<int64_t> num_bytes = rcnn::SafetensorsByteSize(array.spec);
    if (!num_bytes.ok() || *num_bytes != static_cast<int64_t>(array.bytes.size())) std::abort();
    for (const char byte : array.bytes) sink = byte;
  }
  static_cast<void>(sink);
  return 0;
}
