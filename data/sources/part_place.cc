#include "rcnn/data/sources/part_place.h"

namespace rcnn::data {

void SetCommonFields(configs::DatasetConfig& config) {
  // Tools round to whole pixels, and fractions to a few digits.
  config.set_overrun_tolerance_px(1);
  config.set_exif_orientation(configs::FROM_ANNOTATED_SIZES);
}

}  // namespace rcnn::data
