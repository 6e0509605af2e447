// Bytes to the network's input in one kernel: the arithmetic of preprocess.h.
//
// A thread owns one pixel of the slot and writes its three channels: the padding, or the blend of
// four source pixels. Positions are float64 and blends float32 in the CPU's order (first along x,
// then along y), so results are the CPU's bit by bit.
//
// An image of h x w pixels resized to H x W in a slot of H' x W': reads each byte it needs about
// once from memory (3 h w), writes 12 H' W' bytes; 50 operations per pixel, 12 of them in float64.

#ifndef RCNN_OPS_KERNELS_RESIZE_NORMALIZE_H_
#define RCNN_OPS_KERNELS_RESIZE_NORMALIZE_H_

#include <cmath>
#include <cstdint>

#include "rcnn/ops/kernels/kernel.h"

namespace rcnn::ops {

// Pixel i of the slot, row by row.
struct ResizeNormalizePixel {
  // An output position between two source pixels.
  struct Position {
    int64_t low;
    int64_t high;
    float weight;
  };

  RCNN_HOST_DEVICE static Position At(int64_t i, double step, int64_t size) {
    const double last = static_cast<double>(size - 1);
    const double exact = (static_cast<double>(i) + 0.5) * step - 0.5;
    const double position = Clamped(exact, 0.0, last);
    const double low = std::floor(position);
    return {static_cast<int64_t>(low), static_cast<int64_t>(Lesser(low + 1, last)),
            static_cast<float>(position - low)};
  }

  RCNN_HOST_DEVICE static float Blend(float low, float high, float weight) {
    return low + (high - low) * weight;
  }

  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    const int64_t y = i / slot_width, x = i % slot_width;
    float* to = slot + y * row_stride + x * column_stride;
    if (y >= height || x >= width) {
      for (int c = 0; c < 3; ++c) to[c * channel_stride] = padding;
      return;
    }
    const Position at_y = At(y, step_y, image_height);
    Position at_x = At(x, step_x, image_width);
    if (flip_horizontally) {
      at_x.low = image_width - 1 - at_x.low;
      at_x.high = image_width - 1 - at_x.high;
    }
    const uint8_t* top = image + at_y.low * image_row_stride;
    const uint8_t* bottom = image + at_y.high * image_row_stride;
    for (int c = 0; c < 3; ++c) {
      const int from = to_bgr ? 2 - c : c;
      const float upper = Blend(top[3 * at_x.low + from], top[3 * at_x.high + from], at_x.weight);
      const float lower =
          Blend(bottom[3 * at_x.low + from], bottom[3 * at_x.high + from], at_x.weight);
      to[c * channel_stride] = (Blend(upper, lower, at_y.weight) - mean[c]) * factor[c];
    }
  }

  const uint8_t* image;  // [image_height, image_width, 3] RGB
  int64_t image_height;
  int64_t image_width;
  int64_t image_row_stride;
  int64_t height;  // of the resized image
  int64_t width;
  double step_y;  // source pixels per output pixel
  double step_x;
  bool flip_horizontally;
  bool to_bgr;
  float mean[3];    // of the output's channels
  float factor[3];  // 1 / std
  float padding;

  float* slot;  // [3, slot_height, slot_width]
  int64_t slot_width;
  int64_t channel_stride;
  int64_t row_stride;
  int64_t column_stride;
};

template <typename Launch>
void ResizeAndNormalize(Launch& launch, int64_t slot_height, const ResizeNormalizePixel& pixel) {
  LaunchForEach(launch, slot_height * pixel.slot_width, pixel);
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_RESIZE_NORMALIZE_H_
