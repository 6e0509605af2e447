// How often training repeats each image, so that rare classes are seen more often.
//
// Source: repeat factor sampling, Gupta, Dollar, Girshick, LVIS, arXiv 1908.03195.
//
// Example:
//   std::vector<double> repeats = RepeatFactors(*dataset, 0.1);

#ifndef RCNN_DATA_LOADER_REPEAT_FACTORS_H_
#define RCNN_DATA_LOADER_REPEAT_FACTORS_H_

#include <vector>

#include "rcnn/data/core/dataset.h"

namespace rcnn::data {

// One factor >= 1 for each image: max(1, sqrt(share / f)), f being the share of images with
// the rarest class of the image. Crowd regions do not count. 1 for images without objects.
// share: in (0, 1].
std::vector<double> RepeatFactors(const Dataset& dataset, double share);

}  // namespace rcnn::data

#endif  // RCNN_DATA_LOADER_REPEAT_FACTORS_H_
