// Box coding: the arithmetic of box_coder.h for one box, and kernels over rows of boxes.
//
// Pointers of BoxCoding are to 4 values each; nothing is checked. A GPU's exp and log
// differ from the host's by an ulp or two, so decoded boxes and log deltas do too.
//
// Example:
//   const BoxCoding<float> coding(options);
//   coding.Decode(anchors + 4 * i, deltas + 4 * i, box);

#ifndef RCNN_OPS_KERNELS_BOX_CODING_H_
#define RCNN_OPS_KERNELS_BOX_CODING_H_

#include <cmath>
#include <cstdint>

#include "rcnn/ops/kernels/box_coder_options.h"
#include "rcnn/ops/kernels/kernel.h"

namespace rcnn::ops {

template <typename T>
class BoxCoding {
 public:
  BoxCoding() : BoxCoding(BoxCoderOptions()) {}
  explicit BoxCoding(const BoxCoderOptions& options)
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
  RCNN_HOST_DEVICE void Encode(const T* box, const T* gt, T* deltas) const {
    for (int axis = 0; axis < 2; ++axis) {
      const T side = Side(box, axis);
      const T gt_side = Side(gt, axis);
      const T offset = (Center(gt, axis, gt_side) - Center(box, axis, side)) / side;
      deltas[axis] = (offset - shift_[axis]) / scale_[axis];
      deltas[axis + 2] = (std::log(gt_side / side) - shift_[axis + 2]) / scale_[axis + 2];
    }
  }

  // `box` and `deltas` to `decoded`, which may be either of them.
  RCNN_HOST_DEVICE void Decode(const T* box, const T* deltas, T* decoded) const {
    for (int axis = 0; axis < 2; ++axis) {
      const T side = Side(box, axis);
      const T center = Offset(deltas, axis) * side + Center(box, axis, side);
      const T half = T{0.5} * (std::exp(LogScale(deltas, axis)) * side);
      decoded[axis] = center - half;
      decoded[axis + 2] = center + half - decoded_extra_;
    }
  }

  // Adds the gradient of Encode to `grad_box` and `grad_gt`.
  RCNN_HOST_DEVICE void EncodeBackward(const T* box, const T* gt, const T* grad_deltas, T* grad_box,
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
  RCNN_HOST_DEVICE void DecodeBackward(const T* box, const T* deltas, const T* grad_decoded,
                                       T* grad_box, T* grad_deltas) const {
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
  RCNN_HOST_DEVICE T Side(const T* box, int axis) const {
    return box[axis + 2] - box[axis] + extra_;
  }

 private:
  RCNN_HOST_DEVICE T Center(const T* box, int axis, T side) const {
    return box[axis] + T{0.5} * side;
  }
  RCNN_HOST_DEVICE T Offset(const T* deltas, int axis) const {
    return deltas[axis] * scale_[axis] + shift_[axis];
  }
  RCNN_HOST_DEVICE T UnclampedLogScale(const T* deltas, int axis) const {
    return Offset(deltas, axis + 2);
  }
  RCNN_HOST_DEVICE T LogScale(const T* deltas, int axis) const {
    return Lesser(UnclampedLogScale(deltas, axis), max_log_scale_);
  }

  // center = (low + high + extra) / 2, side = high - low + extra.
  RCNN_HOST_DEVICE static void AddToCorners(int axis, T grad_center, T grad_side, T* grad_box) {
    grad_box[axis] += T{0.5} * grad_center - grad_side;
    grad_box[axis + 2] += T{0.5} * grad_center + grad_side;
  }

  T scale_[4];
  T shift_[4];
  T max_log_scale_;
  T extra_;
  T decoded_extra_;
};

// The kernels of the operators, one thread for a row: 4 values per box and array, 2 exp or log
// and some 30 operations.

// Encodes gt [N, 4] relative to boxes [N, 4].
template <typename T>
struct EncodeRow {
  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    coding.Encode(boxes + 4 * i, gt + 4 * i, deltas + 4 * i);
  }

  BoxCoding<T> coding;
  const T* boxes;
  const T* gt;
  T* deltas;
};

// Decodes group i % groups of row i / groups: deltas and decoded are [N, 4 groups].
template <typename T>
struct DecodeRow {
  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    coding.Decode(boxes + 4 * (i / groups), deltas + 4 * i, decoded + 4 * i);
  }

  BoxCoding<T> coding;
  int64_t groups;
  const T* boxes;
  const T* deltas;
  T* decoded;
};

template <typename T>
struct EncodeBackwardRow {
  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    T to_box[4] = {0, 0, 0, 0};
    T to_gt[4] = {0, 0, 0, 0};
    coding.EncodeBackward(boxes + 4 * i, gt + 4 * i, grad + 4 * i, to_box, to_gt);
    for (int c = 0; c < 4; ++c) {
      grad_boxes[4 * i + c] = to_box[c];
      grad_gt[4 * i + c] = to_gt[c];
    }
  }

  BoxCoding<T> coding;
  const T* boxes;
  const T* gt;
  const T* grad;
  T* grad_boxes;
  T* grad_gt;
};

// All groups of a row, one after another: their sum for the box has a fixed order.
template <typename T>
struct DecodeBackwardRow {
  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    T to_box[4] = {0, 0, 0, 0};
    for (int64_t j = i * groups; j < (i + 1) * groups; ++j) {
      coding.DecodeBackward(boxes + 4 * i, deltas + 4 * j, grad + 4 * j, to_box,
                            grad_deltas + 4 * j);
    }
    for (int c = 0; c < 4; ++c) grad_boxes[4 * i + c] = to_box[c];
  }

  BoxCoding<T> coding;
  int64_t groups;
  const T* boxes;
  const T* deltas;
  const T* grad;
  T* grad_boxes;
  T* grad_deltas;
};

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_BOX_CODING_H_
