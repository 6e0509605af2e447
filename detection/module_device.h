// The device of a network, and the move to another.
//
// Example:
//   MoveToDevice(*model, device);
//   maps = model->Features(images.to(ModuleDevice(*model)));

#ifndef RCNN_DETECTION_MODULE_DEVICE_H_
#define RCNN_DETECTION_MODULE_DEVICE_H_

#include <c10/core/Device.h>
#include <torch/nn/module.h>

namespace rcnn::detection {

// The device of the first parameter or, without any, of the first buffer; the CPU without either.
// All tensors of a network are on one device. Takes time in proportion to their number.
c10::Device ModuleDevice(const torch::nn::Module& module);

// Moves a network that is on the CPU to `device`: nothing for the CPU, and on CUDA into the form
// of UseGpuForm (layers.h). Throws c10::Error, which names the device, if that has too little
// memory.
void MoveToDevice(torch::nn::Module& module, const c10::Device& device);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_MODULE_DEVICE_H_
