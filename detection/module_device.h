// The device of a network.
//
// Example:
//   maps = model->Features(images.to(ModuleDevice(*model)));

#ifndef RCNN_DETECTION_MODULE_DEVICE_H_
#define RCNN_DETECTION_MODULE_DEVICE_H_

#include <c10/core/Device.h>
#include <torch/nn/module.h>

namespace rcnn::detection {

// The device of the first parameter or, without any, of the first buffer; the CPU without either.
// All tensors of a network are on one device. Takes time in proportion to their number.
c10::Device ModuleDevice(const torch::nn::Module& module);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_MODULE_DEVICE_H_
