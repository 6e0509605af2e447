// How many objects of each size were found and how many were not.
//
// Size is the square root of the area in pixels, in bins of half octaves.
//
// Example:
//   for (const SizeBin& bin : CountBySize(truth, errors)) Use(bin.low_px, bin.found);

#ifndef RCNN_EVAL_CURVES_SIZE_HISTOGRAM_H_
#define RCNN_EVAL_CURVES_SIZE_HISTOGRAM_H_

#include <cstdint>
#include <vector>

#include "rcnn/eval/errors/detection_errors.h"

namespace rcnn::eval {

struct SizeBin {
  // Of sizes in [low_px, high_px).
  double low_px = 0;
  double high_px = 0;
  int64_t found = 0;
  int64_t missed = 0;
};

// From the smallest bin that has an object to the largest; none without objects.
// Every object that was not found counts as missed, even if correcting an error would
// find it. Found by detections of any score. An object without area has size 1.
std::vector<SizeBin> CountBySize(const GroundTruth& truth, const DetectionErrors& errors);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_CURVES_SIZE_HISTOGRAM_H_
