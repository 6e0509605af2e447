// CUDA graphs for base/device_graph.h.

#ifndef RCNN_OPS_CUDA_GRAPHS_H_
#define RCNN_OPS_CUDA_GRAPHS_H_

#include <c10/core/Device.h>

#include <memory>
#include <vector>

#include "rcnn/base/device_graph.h"

namespace rcnn::ops::cuda {

// Does all `works` in turn, twice, and records each, on a stream that graphs of all threads share,
// one call at a time. Waits for the caller's stream, and for the works. Their graphs have memory of
// their own, together; before they are recorded, memory that LibTorch keeps without need goes back
// to the GPU. Throws c10::Error on errors, also of a work that waits for the GPU. The library
// registers this function with SetDeviceGraphLibrary.
std::vector<std::unique_ptr<DeviceGraph>> RecordGraphs(const c10::Device& device,
                                                       const std::vector<GraphedWork>& works);

}  // namespace rcnn::ops::cuda

#endif  // RCNN_OPS_CUDA_GRAPHS_H_
