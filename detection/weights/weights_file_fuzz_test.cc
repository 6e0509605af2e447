// Reading any bytes as a weights file gives tensors that are
// safe to use, or an error.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/strings/string_view.h"
#include "rcnn/detection/weights/known_name_maps.h"
#include "rcnn/detection/weights/weights_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rcnn::detection::weights;  // NOLINT
  const auto copy = std::make_shared<std::vector<uint8_t>>(data, data + size);
  const absl::string_view bytes(reinterpret_cast<const char*>(copy->data()), copy->size());
  const auto state = ReadStateDict(bytes, copy);
  if (!state.ok()) return 0;
  volatile uint8_t used = 0;
  for (const auto& entry : *state) {
    const at::Tensor tensor = entry.tensor.contiguous();
    const auto* const values = static_cast<const uint8_t*>(tensor.data_ptr());
    for (size_t i = 0; i < tensor.nbytes(); ++i) used = used ^ values[i];
  }
  (void)DetectNameMap(*state).ok();
  return 0;
}
