// Max pooling that does not store the positions of maxima.
//
// LibTorch stores the position of every maximum in eight bytes, twice the memory of the
// output, in inference too. In training the input is kept anyway for the ReLU before the pool, so
// here the gradient finds the positions again. Values and gradients equal at::max_pool2d bit for
// bit: the first of equal values in a window gets the gradient.
//
// Example:
//   x = MaxPool(x, {.kernel = 3, .stride = 2, .padding = 1});

#ifndef RCNN_DETECTION_MAX_POOL_H_
#define RCNN_DETECTION_MAX_POOL_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "rcnn/detection/batch_map.h"

namespace rcnn::detection {

struct MaxPoolOptions {
  int64_t kernel = 2;
  int64_t stride = 2;
  // At each side; at most half a kernel.
  int64_t padding = 0;
  // Whether to include a last window that starts inside the map or its left and top padding
  // but ends outside.
  bool ceil_mode = false;
  // x is the output of a ReLU: its gradient is 0 where it is at most 0. Only of float32 on the CPU.
  bool masks_gradient = false;
};

// H' or W' of a map of `size` cells; 0 if no window fits.
int64_t PooledSize(int64_t size, const MaxPoolOptions& options);

// x [N, C, H, W] -> [N, C, H', W']. Differentiable; once, where x is float32 on the CPU.
// Throws c10::Error as at::max_pool2d does.
at::Tensor MaxPool(const at::Tensor& x, const MaxPoolOptions& options);
BatchMap MaxPool(const BatchMap& x, const MaxPoolOptions& options);

// The rows from `begin` on, as many as y [N, C, rows', W'] has, without gradients, to y. x
// [N, C, rows, W] has the rows from `first` on, of a map of `height` rows, and at least those that
// the result depends on. Both are float32 on the CPU, with gaps between channels and images alone.
// Throws c10::Error if a size does not fit.
void MaxPoolRows(const at::Tensor& x, int64_t first, int64_t height, const MaxPoolOptions& options,
                 int64_t begin, const at::Tensor& y);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_MAX_POOL_H_
