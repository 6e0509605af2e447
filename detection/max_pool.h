// Max pooling whose gradient needs nothing but the input.
//
// LibTorch keeps the place of every maximum, as a number of eight bytes, twice the
// memory of the output. The input is there for the ReLU in front of a pool anyway, so
// the gradient looks the places up once more. Values and gradients are at::max_pool2d's,
// bit for bit: of equal values the first in its window gets the gradient.
//
// Example:
//   x = MaxPool(x, {.kernel = 3, .stride = 2, .padding = 1});

#ifndef RCNN_DETECTION_MAX_POOL_H_
#define RCNN_DETECTION_MAX_POOL_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rcnn::detection {

struct MaxPoolOptions {
  int64_t kernel = 2;
  int64_t stride = 2;
  // At each side; at most half a kernel.
  int64_t padding = 0;
  // Whether a last window that begins within the map, or its padding at the left and top, but
  // ends beyond counts.
  bool ceil_mode = false;
};

// x [N, C, H, W] -> [N, C, H', W']. Differentiable; once, where x is float32 on the CPU.
// Throws c10::Error as at::max_pool2d does.
at::Tensor MaxPool(const at::Tensor& x, const MaxPoolOptions& options);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_MAX_POOL_H_
