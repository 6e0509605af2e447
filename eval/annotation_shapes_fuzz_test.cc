// Any bytes as an instances file with masks or keypoints: one of each for every annotation.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "rcnn/base/testing/fuzz_folder.h"
#include "rcnn/eval/annotation_shapes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const rcnn::testing::FuzzFolder folder;
  const std::string path =
      folder.Write("truth.json", absl::string_view(reinterpret_cast<const char*>(data), size));
  rcnn::eval::ReadAnnotationMasks(path, /*threads=*/1).status().IgnoreError();
  const auto keypoints = rcnn::eval::ReadAnnotationKeypoints(path);
  if (!keypoints.ok()) return 0;
  const size_t annotations = keypoints->labelled.size();
  if (keypoints->numbers.size() != annotations * static_cast<size_t>(keypoints->keypoints) * 3) {
    std::abort();
  }
  return 0;
}
