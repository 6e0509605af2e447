// The arguments of the kernel of resize_normalize.h, from tensors and options.
//
// Needs no GPU: the test of the kernel on the host uses it too.

#ifndef RCNN_OPS_CUDA_RESIZE_NORMALIZE_PIXEL_H_
#define RCNN_OPS_CUDA_RESIZE_NORMALIZE_PIXEL_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "rcnn/ops/kernels/resize_normalize.h"
#include "rcnn/ops/preprocess.h"

namespace rcnn::ops {

// `image`: [H, W, 3] uint8, whose rows are RGB bytes without gaps. `slot`: [3, H', W'] float32 of
// any strides. Both must outlive the launch.
inline ResizeNormalizePixel MakeResizeNormalizePixel(const at::Tensor& image,
                                                     const PreprocessOptions& options,
                                                     const at::Tensor& slot) {
  ResizeNormalizePixel pixel{};
  pixel.image = image.data_ptr<uint8_t>();
  pixel.image_height = image.size(0);
  pixel.image_width = image.size(1);
  pixel.image_row_stride = image.stride(0);
  pixel.height = options.height;
  pixel.width = options.width;
  pixel.step_y = ResizeStepPx(image.size(0), options.height, options);
  pixel.step_x = ResizeStepPx(image.size(1), options.width, options);
  pixel.flip_horizontally = options.flip_horizontally;
  pixel.to_bgr = options.channel_order == ChannelOrder::kBgr;
  for (int c = 0; c < 3; ++c) {
    pixel.mean[c] = static_cast<float>(options.mean[c]);
    pixel.factor[c] = static_cast<float>(1 / options.std[c]);
  }
  pixel.padding = static_cast<float>(options.padding);
  pixel.slot = slot.data_ptr<float>();
  pixel.slot_width = slot.size(2);
  pixel.channel_stride = slot.stride(0);
  pixel.row_stride = slot.stride(1);
  pixel.column_stride = slot.stride(2);
  return pixel;
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CUDA_RESIZE_NORMALIZE_PIXEL_H_
