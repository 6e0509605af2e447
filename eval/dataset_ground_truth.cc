#include "rcnn/eval/dataset_ground_truth.h"

namespace rcnn::eval {

GroundTruth FromDataset(const data::Dataset& dataset) {
  GroundTruth truth;
  const data::ClassList& classes = dataset.classes();
  for (int64_t k = 0; k < classes.size(); ++k) {
    truth.categories.push_back({classes.category_ids[k], classes.names[k]});
  }
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const data::ImageInfo info = dataset.image(i);
    truth.images.push_back({info.id, info.path.empty() ? info.name : info.path, info.exif_applied,
                            info.width, info.height});
    for (const data::Object& object : dataset.objects(i)) {
      const auto& [x, y, width, height] = object.xywh;
      truth.annotations.push_back({object.id, info.id, classes.category_ids[object.label - 1],
                                   XywhBox{x, y, width, height}, object.area, object.crowd,
                                   object.difficult});
    }
  }
  truth.Normalize();
  return truth;
}

}  // namespace rcnn::eval
