// The picks of the kernel of kernels/balanced_sample.h, by loops for the CPU.

#ifndef RCNN_OPS_CPU_COUNTER_SAMPLE_H_
#define RCNN_OPS_CPU_COUNTER_SAMPLE_H_

#include "rcnn/ops/kernels/balanced_sample.h"

namespace rcnn::ops {

// Fills the results of `work`, whose arrays are on the CPU and contiguous. O(images rows) time;
// images, and parts of long lists of rows, are distributed over LibTorch's threads.
void SampleWithSmallestBits(const SampleWork& work);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CPU_COUNTER_SAMPLE_H_
