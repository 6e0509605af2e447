// Convolutions and the max pool after them, as in a block of VGG16 or at the start of a ResNet.
//
// After PrepareForInference a large map is computed in bands of rows: a band goes through all
// convolutions and the pool before the next one begins. So the maps between the layers, which are
// the largest of the network, are never in memory as a whole. The bits are those of the layers one
// after the other.
//
// Example:
//   x = ConvolveAndPool(convs, {.kernel = 2, .stride = 2}, std::move(x));

#ifndef RCNN_DETECTION_CONVOLVE_AND_POOL_H_
#define RCNN_DETECTION_CONVOLVE_AND_POOL_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/max_pool.h"

namespace rcnn::detection {

// MaxPool(convs.back()(... convs.front()(x))) with the shapes and errors of these.
//
// In bands of `band_rows` rows, a multiple of four, where the map before the pool has at least four
// times as many; if all convolutions are packed for it (PackedConvolution::CanRunRows), those after
// the first are 3 x 3 of stride 1 and padding 1, the windows of the pool leave no gaps, and images
// are not in one tensor.
BatchMap ConvolveAndPool(const std::vector<std::shared_ptr<Conv>>& convs,
                         const MaxPoolOptions& pool, BatchMap x, int64_t band_rows = 32);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLVE_AND_POOL_H_
