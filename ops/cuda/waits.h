// Errors where LibTorch would wait for CUDA, for base/device_waits.h.

#ifndef RCNN_OPS_CUDA_WAITS_H_
#define RCNN_OPS_CUDA_WAITS_H_

#include "rcnn/base/device_waits.h"

namespace rcnn::ops::cuda {

// Sets LibTorch's mode for its own checks. The library registers this function and the next one
// with SetDeviceWaitLibrary.
void ForbidWaits(bool forbidden);

// Whether LibTorch's check throws, and, where a GPU is visible, reading a value of it.
bool WaitFails();

}  // namespace rcnn::ops::cuda

#endif  // RCNN_OPS_CUDA_WAITS_H_
