// Any bytes as results with masks or keypoints, read in pieces of any size: the same verdict,
// and one mask or list of keypoints for each detection.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "rcnn/base/testing/fuzz_folder.h"
#include "rcnn/eval/shape_detections.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const rcnn::testing::FuzzFolder folder;
  static const auto& images = *new rcnn::eval::ImageSizes{{1, {60, 49}}, {2, {9, 7}}};
  const std::string path =
      folder.Write("results.json", absl::string_view(reinterpret_cast<const char*>(data), size));
  bool are_masks = false;
  bool are_keypoints = false;
  for (const int64_t piece_bytes : {1 << 20, 1, 100}) {
    const rcnn::eval::DetectionsReaderOptions options = {.threads = 1, .piece_bytes = piece_bytes};
    const auto masks = rcnn::eval::ReadMaskDetections(path, images, options);
    const auto keypoints = rcnn::eval::ReadKeypointDetections(path, /*keypoints=*/17, options);
    if (masks.ok()) Require(masks->masks.size() == masks->size());
    if (keypoints.ok()) Require(static_cast<int64_t>(keypoints->ends.size()) == keypoints->size());
    if (piece_bytes == 1 << 20) {
      are_masks = masks.ok();
      are_keypoints = keypoints.ok();
    }
    Require(masks.ok() == are_masks && keypoints.ok() == are_keypoints);
  }
  return 0;
}
