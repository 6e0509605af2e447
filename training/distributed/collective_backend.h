// One way of LibTorch's c10d to exchange tensors between processes, such as Gloo's or NCCL's, under
// one name for both LibTorchs that rcnn supports: in 1.13 it is a ProcessGroup, in 2.11 a Backend.
//
// Its functions that are used here (allreduce, allgather, broadcast, ...) are the same in both.
//
// Example:
//   std::vector<at::Tensor> values = {gradients};
//   backend->allreduce(values)->wait();

#ifndef RCNN_TRAINING_DISTRIBUTED_COLLECTIVE_BACKEND_H_
#define RCNN_TRAINING_DISTRIBUTED_COLLECTIVE_BACKEND_H_

#include "rcnn/base/libtorch_version.h"

#if RCNN_LIBTORCH_2
#include <torch/csrc/distributed/c10d/Backend.hpp>
#else
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#endif

namespace rcnn::training {

#if RCNN_LIBTORCH_2
using CollectiveBackend = c10d::Backend;
#else
using CollectiveBackend = c10d::ProcessGroup;
#endif

using CollectiveBackendPtr = c10::intrusive_ptr<CollectiveBackend>;
using CollectiveWorkPtr = c10::intrusive_ptr<c10d::Work>;

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_DISTRIBUTED_COLLECTIVE_BACKEND_H_
