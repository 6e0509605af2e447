// Any bytes as the ground truth of an evaluation: images and categories are found by their
// ids.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "rcnn/eval/coco_ground_truth.h"
#include "rcnn/eval/ground_truth.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto truth = rcnn::eval::ParseCocoGroundTruth(
      absl::string_view(reinterpret_cast<const char*>(data), size));
  if (!truth.ok()) return 0;
  for (size_t i = 0; i < truth->images.size(); ++i) {
    if (truth->ImageIndex(truth->images[i].id) != static_cast<int64_t>(i)) std::abort();
  }
  for (size_t i = 0; i < truth->categories.size(); ++i) {
    if (truth->CategoryIndex(truth->categories[i].id) != static_cast<int64_t>(i)) std::abort();
  }
  return 0;
}
