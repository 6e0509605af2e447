#include "rcnn/ops/box_coder.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <tuple>

#include "rcnn/ops/box_coder_schema.h"
#include "rcnn/ops/cuda/box_coder.h"
#include "rcnn/ops/cuda/registration.h"

namespace rcnn::ops {
namespace {

using Numbers = at::ArrayRef<double>;
using TwoTensors = std::tuple<at::Tensor, at::Tensor>;

at::Tensor Readable(const at::Tensor& tensor) { return tensor.detach().contiguous(); }

at::Tensor EncodeOnCuda(const at::Tensor& boxes, const at::Tensor& gt_boxes, Numbers weights,
                        Numbers mean, Numbers stddev, double max_log_scale, bool inclusive,
                        bool exact_inverse) {
  const BoxCoderOptions options =
      ReadBoxCoderOptions(weights, mean, stddev, max_log_scale, inclusive, exact_inverse);
  CheckEncodeArguments(boxes, gt_boxes, options);
  const c10::cuda::CUDAGuard guard(boxes.device());
  const at::Tensor from = Readable(boxes), to = Readable(gt_boxes);
  const at::Tensor deltas = at::empty_like(from);
  AT_DISPATCH_FLOATING_TYPES(from.scalar_type(), "encode_boxes", [&] {
    const EncodeRow<scalar_t> row = {BoxCoding<scalar_t>(options), from.data_ptr<scalar_t>(),
                                     to.data_ptr<scalar_t>(), deltas.data_ptr<scalar_t>()};
    CheckLaunch(LaunchBoxCoding(from.size(0), row, CurrentStream()), "encode_boxes");
  });
  return deltas;
}

at::Tensor DecodeOnCuda(const at::Tensor& boxes, const at::Tensor& deltas, Numbers weights,
                        Numbers mean, Numbers stddev, double max_log_scale, bool inclusive,
                        bool exact_inverse) {
  const BoxCoderOptions options =
      ReadBoxCoderOptions(weights, mean, stddev, max_log_scale, inclusive, exact_inverse);
  CheckDecodeArguments(boxes, deltas, options);
  const c10::cuda::CUDAGuard guard(boxes.device());
  const at::Tensor from = Readable(boxes), by = Readable(deltas);
  const at::Tensor decoded = at::empty_like(by);
  const int64_t groups = by.size(1) / 4;
  AT_DISPATCH_FLOATING_TYPES(from.scalar_type(), "decode_boxes", [&] {
    const DecodeRow<scalar_t> row = {BoxCoding<scalar_t>(options), groups,
                                     from.data_ptr<scalar_t>(), by.data_ptr<scalar_t>(),
                                     decoded.data_ptr<scalar_t>()};
    CheckLaunch(LaunchBoxCoding(from.size(0) * groups, row, CurrentStream()), "decode_boxes");
  });
  return decoded;
}

TwoTensors EncodeBackwardOnCuda(const at::Tensor& boxes, const at::Tensor& gt_boxes,
                                const at::Tensor& grad, Numbers weights, Numbers mean,
                                Numbers stddev, double max_log_scale, bool inclusive,
                                bool exact_inverse) {
  const BoxCoderOptions options =
      ReadBoxCoderOptions(weights, mean, stddev, max_log_scale, inclusive, exact_inverse);
  const c10::cuda::CUDAGuard guard(boxes.device());
  const at::Tensor from = Readable(boxes), to = Readable(gt_boxes), in = Readable(grad);
  const at::Tensor grad_boxes = at::empty_like(from), grad_gt = at::empty_like(to);
  AT_DISPATCH_FLOATING_TYPES(from.scalar_type(), "encode_boxes_backward", [&] {
    const EncodeBackwardRow<scalar_t> row = {
        BoxCoding<scalar_t>(options),    from.data_ptr<scalar_t>(),
        to.data_ptr<scalar_t>(),         in.data_ptr<scalar_t>(),
        grad_boxes.data_ptr<scalar_t>(), grad_gt.data_ptr<scalar_t>()};
    CheckLaunch(LaunchBoxCoding(from.size(0), row, CurrentStream()), "encode_boxes_backward");
  });
  return {grad_boxes, grad_gt};
}

TwoTensors DecodeBackwardOnCuda(const at::Tensor& boxes, const at::Tensor& deltas,
                                const at::Tensor& grad, Numbers weights, Numbers mean,
                                Numbers stddev, double max_log_scale, bool inclusive,
                                bool exact_inverse) {
  const BoxCoderOptions options =
      ReadBoxCoderOptions(weights, mean, stddev, max_log_scale, inclusive, exact_inverse);
  const c10::cuda::CUDAGuard guard(boxes.device());
  const at::Tensor from = Readable(boxes), by = Readable(deltas), in = Readable(grad);
  const at::Tensor grad_boxes = at::empty_like(from), grad_deltas = at::empty_like(by);
  AT_DISPATCH_FLOATING_TYPES(from.scalar_type(), "decode_boxes_backward", [&] {
    const DecodeBackwardRow<scalar_t> row = {
        BoxCoding<scalar_t>(options),    by.size(1) / 4,          from.data_ptr<scalar_t>(),
        by.data_ptr<scalar_t>(),         in.data_ptr<scalar_t>(), grad_boxes.data_ptr<scalar_t>(),
        grad_deltas.data_ptr<scalar_t>()};
    CheckLaunch(LaunchBoxCoding(from.size(0), row, CurrentStream()), "decode_boxes_backward");
  });
  return {grad_boxes, grad_deltas};
}

TORCH_LIBRARY_IMPL(rcnn, CUDA, m) {
  m.impl("encode_boxes", &EncodeOnCuda);
  m.impl("decode_boxes", &DecodeOnCuda);
  m.impl("_encode_boxes_backward", &EncodeBackwardOnCuda);
  m.impl("_decode_boxes_backward", &DecodeBackwardOnCuda);
}

}  // namespace
}  // namespace rcnn::ops
