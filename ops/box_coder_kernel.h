// The arithmetic of box_coder.h for one box, for kernels that decode boxes one at a
// time.
//
// Internal to ops. Pointers are to 4 values each; nothing is checked.
//
// Example:
//   const BoxCoderKernel<float> coder(options);
//   coder.Decode(anchors + 4 * i, deltas + 4 * i, box);

#ifndef RCNN_OPS_BOX_CODER_KERNEL_H_
#define RCNN_OPS_BOX_CODER_KERNEL_H_

#include <algorithm>
#include <array>
#include <cmath>

#include "rcnn/ops/box_coder.h"

namespace rcnn::ops {

template <typename T>
class BoxCoderKernel {
 public:
  explicit BoxCoderKernel(const BoxCoderOptions& options)
      : max_log_scale_(static_cast<T>(options.max_log_scale)),
        extra_(options.inclusive ? T{1} : T{0}),
        decoded_extra_(options.inclusive && options.exact_inverse ? T{1} : T{0}) {
    // t = (weight d - mean) / stddev is d = scale t + shift.
    for (int i = 0; i < 4; ++i) {
      scale_[i] = static_cast<T>(options.stddev[i] / options.weights[i]);
      shift_[i] = static_cast<T>(options.mean[i] / options.weights[i]);
    }
  }

  // `box` and `gt` to `deltas`; all sides > 0.
  void Encode(const T* box, const T* gt, T* deltas) const {
    for (int axis = 0; axis < 2; ++axis) {
      const T side = Side(box, axis);
      const T gt_side = Side(gt, axis);
      const T offset = (Center(gt, axis, gt_side) - Center(box, axis, side)) / side;
      deltas[axis] = (offset - shift_[axis]) / scale_[axis];
      deltas[axis + 2] = (std::log(gt_side / side) - shift_[axis + 2]) / scale_[axis + 2];
    }
  }

  // `box` and `deltas` to `decoded`, which may be either of them.
  void Decode(const T* box, const T* deltas, T* decoded) const {
    for (int axis = 0; axis < 2; ++axis) {
      const T side = Side(box, axis);
      const T center = Offset(deltas, axis) * side + Center(box, axis, side);
      const T half = T{0.5} * (std::exp(LogScale(deltas, axis)) * side);
      decoded[axis] = center - half;
      decoded[axis + 2] = center + half - decoded_extra_;
    }
  }

  // Adds the gradient of Encode to `grad_box` and `grad_gt`.
  void EncodeBackward(const T* box, const T* gt, const T* grad_deltas, T* grad_box,
                      T* grad_gt) const {
    for (int axis = 0; axis < 2; ++axis) {
      const T side = Side(box, axis);
      const T gt_side = Side(gt, axis);
      const T offset = (Center(gt, axis, gt_side) - Center(box, axis, side)) / side;
      const T grad_offset = grad_deltas[axis] / scale_[axis];
      const T grad_log = grad_deltas[axis + 2] / scale_[axis + 2];
      AddToCorners(axis, grad_offset / side, grad_log / gt_side, grad_gt);
      AddToCorners(axis, -grad_offset / side, -(grad_offset * offset + grad_log) / side, grad_box);
    }
  }

  // Adds the gradient of Decode to `grad_box`, and writes that of the deltas.
  void DecodeBackward(const T* box, const T* deltas, const T* grad_decoded, T* grad_box,
                      T* grad_deltas) const {
    for (int axis = 0; axis < 2; ++axis) {
      const T side = Side(box, axis);
      const T growth = std::exp(LogScale(deltas, axis));
      const T grad_center = grad_decoded[axis] + grad_decoded[axis + 2];
      const T grad_side = T{0.5} * (grad_decoded[axis + 2] - grad_decoded[axis]);
      const bool clamped = UnclampedLogScale(deltas, axis) > max_log_scale_;
      grad_deltas[axis] = grad_center * side * scale_[axis];
      grad_deltas[axis + 2] = clamped ? T{0} : grad_side * growth * side * scale_[axis + 2];
      AddToCorners(axis, grad_center, grad_center * Offset(deltas, axis) + grad_side * growth,
                   grad_box);
    }
  }

  // x2 - x1 or y2 - y1, plus 1 for inclusive boxes.
  T Side(const T* box, int axis) const { return box[axis + 2] - box[axis] + extra_; }

 private:
  T Center(const T* box, int axis, T side) const { return box[axis] + T{0.5} * side; }
  T Offset(const T* deltas, int axis) const { return deltas[axis] * scale_[axis] + shift_[axis]; }
  T UnclampedLogScale(const T* deltas, int axis) const { return Offset(deltas, axis + 2); }
  T LogScale(const T* deltas, int axis) const {
    return std::min(UnclampedLogScale(deltas, axis), max_log_scale_);
  }

  // center = (low + high + extra) / 2, side = high - low + extra.
  static void AddToCorners(int axis, T grad_center, T grad_side, T* grad_box) {
    grad_box[axis] += T{0.5} * grad_center - grad_side;
    grad_box[axis + 2] += T{0.5} * grad_center + grad_side;
  }

  std::array<T, 4> scale_;
  std::array<T, 4> shift_;
  T max_log_scale_;
  T extra_;
  T decoded_extra_;
};

// Throws c10::Error when `options` are out of range.
void CheckBoxCoderOptions(const BoxCoderOptions& options);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_BOX_CODER_KERNEL_H_
