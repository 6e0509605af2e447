// torch.ops.rcnn: encode_boxes, decode_boxes.

#include <torch/library.h>

#include "rcnn/ops/box_coder.h"
#include "rcnn/ops/torch_library/box_coder_arguments.h"

namespace rcnn::ops {
namespace {

at::Tensor EncodeBoxesOp(const at::Tensor& boxes, const at::Tensor& gt_boxes,
                         at::ArrayRef<double> weights, at::ArrayRef<double> mean,
                         at::ArrayRef<double> stddev, double max_log_scale, bool inclusive,
                         bool exact_inverse) {
  return EncodeBoxes(
      boxes, gt_boxes,
      BoxCoderArguments(weights, mean, stddev, max_log_scale, inclusive, exact_inverse));
}

at::Tensor DecodeBoxesOp(const at::Tensor& boxes, const at::Tensor& deltas,
                         at::ArrayRef<double> weights, at::ArrayRef<double> mean,
                         at::ArrayRef<double> stddev, double max_log_scale, bool inclusive,
                         bool exact_inverse) {
  return DecodeBoxes(
      boxes, deltas,
      BoxCoderArguments(weights, mean, stddev, max_log_scale, inclusive, exact_inverse));
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  m.def("encode_boxes(Tensor boxes, Tensor gt_boxes, *, " RCNN_BOX_CODER_SCHEMA ") -> Tensor",
        &EncodeBoxesOp);
  m.def("decode_boxes(Tensor boxes, Tensor deltas, *, " RCNN_BOX_CODER_SCHEMA ") -> Tensor",
        &DecodeBoxesOp);
}

}  // namespace
}  // namespace rcnn::ops
