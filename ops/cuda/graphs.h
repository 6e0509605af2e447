// CUDA graphs for base/device_graph.h.

#ifndef RCNN_OPS_CUDA_GRAPHS_H_
#define RCNN_OPS_CUDA_GRAPHS_H_

#include <c10/core/Device.h>

#include <memory>

#include "rcnn/base/device_graph.h"

namespace rcnn::ops::cuda {

// Does `work` twice and records it, on a stream that graphs of all threads share, one at a time.
// Waits for the caller's stream, and for the work. The graph has memory of its own; before it is
// recorded, memory that LibTorch keeps without need goes back to the GPU. Throws c10::Error on
// errors, also of work that waits for the GPU. The library registers this function with
// SetDeviceGraphLibrary.
std::unique_ptr<DeviceGraph> RecordGraph(const c10::Device& device, const GraphedWork& work);

}  // namespace rcnn::ops::cuda

#endif  // RCNN_OPS_CUDA_GRAPHS_H_
