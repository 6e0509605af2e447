// Launches of the kernel of place_anchors.h on the GPU.

#ifndef RCNN_OPS_CUDA_ANCHORS_H_
#define RCNN_OPS_CUDA_ANCHORS_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "rcnn/ops/kernels/place_anchors.h"

namespace rcnn::ops {

// Places `count` anchors.
cudaError_t LaunchPlaceAnchors(int64_t count, const PlaceAnchor& anchor, cudaStream_t stream);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CUDA_ANCHORS_H_
