// Reading any bytes as the pickle of a state dict gives tensors
// inside their storages, or an error.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "rcnn/detection/weights/torch_pickle.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rcnn::detection::weights;  // NOLINT
  const auto state =
      ParseStateDictPickle(absl::string_view(reinterpret_cast<const char*>(data), size));
  if (!state.ok()) return 0;
  for (const PickledTensor& tensor : state->tensors) {
    int64_t elements = 1;
    for (const int64_t count : tensor.sizes) elements *= count;
    if (elements > tensor.storage.elements || state->size_bytes > size) std::abort();
  }
  return 0;
}
