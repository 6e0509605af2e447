// Convolutions that follow each other, each with a ReLU, in training.
//
// The gradient of a ReLU between two of them is computed with that of the second one's input
// (Conv::ForwardLinked), rather than in a pass over the map of its own.
//
// Example:
//   x = ForwardChain(convs, std::move(x));

#ifndef RCNN_DETECTION_CONV_CHAIN_H_
#define RCNN_DETECTION_CONV_CHAIN_H_

#include <c10/util/Optional.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/layers.h"

namespace rcnn::detection {

// The sizes [N, C, H, W] of the parts of a map.
using MapSizes = std::vector<std::vector<int64_t>>;

// Those of x if layers that read it can be linked: gradients are recorded, and all parts are
// float32 on the CPU. Else not set.
c10::optional<MapSizes> LinkableSizes(const BatchMap& x);

// Those of conv.Forward(x).
MapSizes OutputSizes(const Conv& conv, const MapSizes& x);

// Whether `convs`, one after the other, can be linked for maps of the sizes `x` (Conv::CanLink).
bool CanLinkAll(const std::vector<std::shared_ptr<Conv>>& convs, MapSizes x);

// Whether ForwardChain links `convs`: LinkableSizes, CanLinkAll, and all have a ReLU.
bool LinksChain(const std::vector<std::shared_ptr<Conv>>& convs, const BatchMap& x);

// convs.back()->Forward(... convs.front()->Forward(x)), with the same bits. `output_is_masked`: all
// readers of the result mask their gradients by it; only if LinksChain(convs, x).
BatchMap ForwardChain(const std::vector<std::shared_ptr<Conv>>& convs, BatchMap x,
                      bool output_is_masked = false);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONV_CHAIN_H_
