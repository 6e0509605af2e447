// Any bytes as labels, as a list of names, and as data.yaml; an object without a problem
// has a class and a box.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "rcnn/data/yolo/yolo_labels.h"
#include "rcnn/data/yolo/yolo_names.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  rcnn::data::ParseYoloYaml(bytes).status().IgnoreError();
  (void)rcnn::data::ParseYoloNameList(bytes);
  for (const bool keypoints : {false, true}) {
    for (const rcnn::data::YoloObject& object : rcnn::data::ParseYoloLabels(bytes, keypoints)) {
      if (object.problem) continue;
      if (object.class_number < 0) std::abort();
      for (const double value : object.xywh) {
        if (std::isnan(value)) std::abort();
      }
    }
  }
  return 0;
}
