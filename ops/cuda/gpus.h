// What CUDA says of the GPUs that this process can see, for base/device_probe.h.

#ifndef RCNN_OPS_CUDA_GPUS_H_
#define RCNN_OPS_CUDA_GPUS_H_

#include <string>
#include <vector>

#include "rcnn/base/device_probe.h"

namespace rcnn::ops::cuda {

// In the order of their index; none, and CUDA's message in `problem`, if CUDA cannot list them. The
// library registers this function with ProbeDevices.
std::vector<Gpu> ReadGpus(std::string* problem);

}  // namespace rcnn::ops::cuda

#endif  // RCNN_OPS_CUDA_GPUS_H_
