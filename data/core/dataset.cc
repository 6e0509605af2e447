#include "rcnn/data/core/dataset.h"

#include <utility>

#include "rcnn/base/status_macros.h"

namespace rcnn::data {

absl::StatusOr<Sample> Dataset::Load(int64_t index) const {
  Sample sample;
  RCNN_ASSIGN_OR_RETURN(sample.image, LoadImage(index));
  sample.info = image(index);
  sample.objects = objects(index);
  return sample;
}

}  // namespace rcnn::data
