// A module's parameters and saved buffers as a StateDict that shares their memory.
//
// The order is that of a PyTorch state dict: a module's parameters, its buffers, then
// its children, each in the order of registration.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(ImportReport report,
//                         ImportStateDict(weights, map, {}, ModuleState(*detector)));

#ifndef RCNN_DETECTION_WEIGHTS_MODULE_STATE_H_
#define RCNN_DETECTION_WEIGHTS_MODULE_STATE_H_

#include <string>

#include "rcnn/detection/weights/state_dict.h"

namespace torch::nn {
class Module;
}  // namespace torch::nn

namespace rcnn::detection::weights {

// Names are paths from `module`, with `prefix` ("backbone.") before them.
// Undefined tensors (the bias of a convolution without one) are not listed, nor are buffers that
// are not saved.
StateDict ModuleState(const torch::nn::Module& module, const std::string& prefix = "");

// False for a buffer whose own name starts with an underscore, "rpn.box_normalization._mean": it
// moves with its module, but is not saved. LibTorch's modules have no such mark in C++
// (persistent=False in Python).
bool IsSavedBuffer(const std::string& buffer_name);

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_MODULE_STATE_H_
