// What follows a convolution on a GPU, in one pass over its map: a bias for each channel, a
// shortcut's map, and a ReLU.
//
// LibTorch adds the bias of cuDNN's convolutions afterwards; then come the shortcut and the ReLU.
// Each of these operators reads and writes the map, which on a GPU takes about as long as the
// convolution itself. The library that does all of it at once registers itself: //ops/cuda, which
// programs with GPU support link.
//
// For detection/finish_convolution.h, which knows gradients, and for tests, which register a
// library for the CPU.
//
// Example:
//   if (CanFinishMap(map, shortcut)) {
//     FindMapFinisher(map.device().type())->finish(map, bias, shortcut, /*relu=*/true);
//   }

#ifndef RCNN_OPS_FINISH_MAP_H_
#define RCNN_OPS_FINISH_MAP_H_

#include <ATen/core/Tensor.h>
#include <c10/core/DeviceType.h>

namespace rcnn::ops {

struct MapFinisher {
  c10::DeviceType device = c10::DeviceType::CUDA;

  // map = map + bias + add in place, without negative values if `relu`; nobody tells autograd.
  // CanFinishMap(map, add) must hold. `bias`: [C], of any floating-point type, on the map's device.
  // Of 16-bit types sums are float32, rounded once.
  void (*finish)(const at::Tensor& map, const at::Tensor& bias, const at::Tensor& add,
                 bool relu) = nullptr;
};

// Replaces an earlier library; null: none. Returns true.
bool SetMapFinisher(const MapFinisher* finisher);

// Null if there is none for this type of device.
const MapFinisher* FindMapFinisher(c10::DeviceType device);

// Whether there is one for the map's device, and it can: `map` is [N, C, H, W], float16, bfloat16,
// float32 or float64, and lies in memory channels-last without gaps; `add` is undefined, or alike.
bool CanFinishMap(const at::Tensor& map, const at::Tensor& add);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_FINISH_MAP_H_
