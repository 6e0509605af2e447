// Any bytes as a COCO instances file that is opened as a dataset: every object of the table
// has one of its classes, and a box that lies within its image.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <utility>

#include "absl/strings/string_view.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/coco/coco_instances.h"
#include "rcnn/data/coco/coco_reader.h"
#include "rcnn/data/core/annotation_table.h"

namespace {

bool IsInside(const rcnn::data::Object& object, const rcnn::data::ImageInfo& info) {
  const rcnn::data::Box& box = object.box;
  return box.x1 >= 0 && box.y1 >= 0 && box.x2 <= static_cast<float>(info.width) &&
         box.y2 <= static_cast<float>(info.height) && box.width() >= 0 && box.height() >= 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  auto instances = rcnn::data::ParseCocoInstances(bytes);
  if (!instances.ok()) return 0;
  const auto table = rcnn::data::MakeCocoTable(rcnn::configs::DatasetConfig(),
                                               *std::move(instances), "fuzz.json", "", {});
  if (!table.ok()) return 0;
  for (int64_t i = 0; i < table->num_images(); ++i) {
    for (const rcnn::data::Object& object : table->objects_of(i)) {
      if (object.label < 1 || object.label > table->classes.size()) std::abort();
      if (!IsInside(object, table->images[i])) std::abort();
    }
  }
  return 0;
}
