#include "rcnn/ops/box_coder.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <tuple>
#include <vector>

#include "rcnn/base/not_finite_error.h"
#include "rcnn/ops/box_coder_schema.h"
#include "rcnn/ops/check.h"
#include "rcnn/ops/dispatch.h"
#include "rcnn/ops/kernels/box_coding.h"
#include "rcnn/ops/unchecked_values.h"

namespace rcnn::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Rows per task; a row is two logarithms or exponentials.
constexpr int64_t kGrain = 1024;

template <typename T>
void CheckSides(const at::Tensor& boxes, const char* name, const BoxCoding<T>& coder) {
  if (!ValuesAreChecked()) return;
  const T* data = boxes.data_ptr<T>();
  for (int64_t i = 0; i < boxes.size(0); ++i) {
    const T* box = data + 4 * i;
    TORCH_CHECK(coder.Side(box, 0) > 0 && coder.Side(box, 1) > 0, name, ": row ", i, " is (",
                box[0], ", ", box[1], ", ", box[2], ", ", box[3],
                "): a side of length 0 cannot be encoded (", name, " is ", Describe(boxes), ")");
  }
}

template <typename T>
at::Tensor Encode(const at::Tensor& boxes, const at::Tensor& gt_boxes,
                  const BoxCoderOptions& options) {
  const BoxCoding<T> coder(options);
  CheckSides(boxes, "boxes", coder);
  CheckSides(gt_boxes, "gt_boxes", coder);
  at::Tensor deltas = at::empty_like(boxes);
  const T* box = boxes.data_ptr<T>();
  const T* gt = gt_boxes.data_ptr<T>();
  T* out = deltas.data_ptr<T>();
  at::parallel_for(0, boxes.size(0), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) coder.Encode(box + 4 * i, gt + 4 * i, out + 4 * i);
  });
  CheckFinite(deltas, "gt_boxes, encoded");
  return deltas;
}

template <typename T>
std::tuple<at::Tensor, at::Tensor> EncodeBackward(const at::Tensor& boxes,
                                                  const at::Tensor& gt_boxes,
                                                  const at::Tensor& grad,
                                                  const BoxCoderOptions& options) {
  const BoxCoding<T> coder(options);
  at::Tensor grad_boxes = at::zeros_like(boxes);
  at::Tensor grad_gt_boxes = at::zeros_like(gt_boxes);
  const T* box = boxes.data_ptr<T>();
  const T* gt = gt_boxes.data_ptr<T>();
  const T* in = grad.data_ptr<T>();
  T* out_box = grad_boxes.data_ptr<T>();
  T* out_gt = grad_gt_boxes.data_ptr<T>();
  at::parallel_for(0, boxes.size(0), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = 4 * begin; i < 4 * end; i += 4) {
      coder.EncodeBackward(box + i, gt + i, in + i, out_box + i, out_gt + i);
    }
  });
  return {grad_boxes, grad_gt_boxes};
}

// With a large or infinite max_log_scale a finite delta may decode to infinity.
void CheckDecoded(const at::Tensor& decoded) {
  try {
    CheckFinite(decoded, "deltas, decoded");
  } catch (const NotFiniteError& error) {
    ThrowNotFinite(c10::str(error.what_without_backtrace(),
                            "; a lower max_log_scale keeps decoded boxes finite"));
  }
}

template <typename T>
at::Tensor Decode(const at::Tensor& boxes, const at::Tensor& deltas,
                  const BoxCoderOptions& options) {
  const BoxCoding<T> coder(options);
  const int64_t groups = deltas.size(1) / 4;
  at::Tensor decoded = at::empty_like(deltas);
  const T* box = boxes.data_ptr<T>();
  const T* in = deltas.data_ptr<T>();
  T* out = decoded.data_ptr<T>();
  at::parallel_for(0, boxes.size(0), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t j = begin * groups; j < end * groups; ++j) {
      coder.Decode(box + 4 * (j / groups), in + 4 * j, out + 4 * j);
    }
  });
  CheckDecoded(decoded);
  return decoded;
}

template <typename T>
std::tuple<at::Tensor, at::Tensor> DecodeBackward(const at::Tensor& boxes, const at::Tensor& deltas,
                                                  const at::Tensor& grad,
                                                  const BoxCoderOptions& options) {
  const BoxCoding<T> coder(options);
  const int64_t groups = deltas.size(1) / 4;
  at::Tensor grad_boxes = at::zeros_like(boxes);
  at::Tensor grad_deltas = at::empty_like(deltas);
  const T* box = boxes.data_ptr<T>();
  const T* delta = deltas.data_ptr<T>();
  const T* in = grad.data_ptr<T>();
  T* out_box = grad_boxes.data_ptr<T>();
  T* out_delta = grad_deltas.data_ptr<T>();
  at::parallel_for(0, boxes.size(0), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t j = begin * groups; j < end * groups; ++j) {
      const int64_t i = j / groups;
      coder.DecodeBackward(box + 4 * i, delta + 4 * j, in + 4 * j, out_box + 4 * i,
                           out_delta + 4 * j);
    }
  });
  return {grad_boxes, grad_deltas};
}

// The options as schema arguments, which follow the tensors of every operator below.
using Numbers = at::ArrayRef<double>;

at::Tensor EncodeOnCpuOrMeta(const at::Tensor& boxes, const at::Tensor& gt_boxes, Numbers weights,
                             Numbers mean, Numbers stddev, double max_log_scale, bool inclusive,
                             bool exact_inverse) {
  const BoxCoderOptions options =
      ReadBoxCoderOptions(weights, mean, stddev, max_log_scale, inclusive, exact_inverse);
  CheckEncodeArguments(boxes, gt_boxes, options);
  if (boxes.is_meta()) return at::empty_like(boxes);
  const auto encode = boxes.scalar_type() == at::kDouble ? &Encode<double> : &Encode<float>;
  return encode(boxes.contiguous(), gt_boxes.contiguous(), options);
}

at::Tensor DecodeOnCpuOrMeta(const at::Tensor& boxes, const at::Tensor& deltas, Numbers weights,
                             Numbers mean, Numbers stddev, double max_log_scale, bool inclusive,
                             bool exact_inverse) {
  const BoxCoderOptions options =
      ReadBoxCoderOptions(weights, mean, stddev, max_log_scale, inclusive, exact_inverse);
  CheckDecodeArguments(boxes, deltas, options);
  if (boxes.is_meta()) return at::empty_like(deltas);
  const auto decode = boxes.scalar_type() == at::kDouble ? &Decode<double> : &Decode<float>;
  return decode(boxes.contiguous(), deltas.contiguous(), options);
}

using TwoTensors = std::tuple<at::Tensor, at::Tensor>;

TwoTensors EncodeBackwardOnCpu(const at::Tensor& boxes, const at::Tensor& gt_boxes,
                               const at::Tensor& grad, Numbers weights, Numbers mean,
                               Numbers stddev, double max_log_scale, bool inclusive,
                               bool exact_inverse) {
  const auto run =
      boxes.scalar_type() == at::kDouble ? &EncodeBackward<double> : &EncodeBackward<float>;
  return run(boxes.contiguous(), gt_boxes.contiguous(), grad.contiguous(),
             ReadBoxCoderOptions(weights, mean, stddev, max_log_scale, inclusive, exact_inverse));
}

TwoTensors DecodeBackwardOnCpu(const at::Tensor& boxes, const at::Tensor& deltas,
                               const at::Tensor& grad, Numbers weights, Numbers mean,
                               Numbers stddev, double max_log_scale, bool inclusive,
                               bool exact_inverse) {
  const auto run =
      boxes.scalar_type() == at::kDouble ? &DecodeBackward<double> : &DecodeBackward<float>;
  return run(boxes.contiguous(), deltas.contiguous(), grad.contiguous(),
             ReadBoxCoderOptions(weights, mean, stddev, max_log_scale, inclusive, exact_inverse));
}

TwoTensors BackwardOnMeta(const at::Tensor& boxes, const at::Tensor& other, const at::Tensor&,
                          Numbers, Numbers, Numbers, double, bool, bool) {
  return {at::empty_like(boxes), at::empty_like(other)};
}

// Calls an operator of two tensors and the options.
template <typename Operator>
at::Tensor Call(const Operator& op, const at::Tensor& boxes, const at::Tensor& other,
                const BoxCoderOptions& options) {
  return op.call(boxes, other, options.weights, options.mean, options.stddev, options.max_log_scale,
                 options.inclusive, options.exact_inverse);
}

// The two operators for autograd: what to call below it, forward and backward.
struct EncodeOperator {
  static at::Tensor Forward(const at::Tensor& boxes, const at::Tensor& other,
                            const BoxCoderOptions& options) {
    return EncodeBoxes(boxes, other, options);
  }
  static constexpr char kBackward[] = "_encode_boxes_backward";
};

struct DecodeOperator {
  static at::Tensor Forward(const at::Tensor& boxes, const at::Tensor& other,
                            const BoxCoderOptions& options) {
    return DecodeBoxes(boxes, other, options);
  }
  static constexpr char kBackward[] = "_decode_boxes_backward";
};

// Autograd saves lists of numbers, not structs.
std::vector<double> Pack(const BoxCoderOptions& options) {
  std::vector<double> packed;
  for (const auto& four : {options.weights, options.mean, options.stddev}) {
    packed.insert(packed.end(), four.begin(), four.end());
  }
  packed.push_back(options.max_log_scale);
  packed.push_back(options.inclusive);
  packed.push_back(options.exact_inverse);
  return packed;
}

BoxCoderOptions Unpack(const std::vector<double>& packed) {
  const Numbers numbers = packed;
  return ReadBoxCoderOptions(numbers.slice(0, 4), numbers.slice(4, 4), numbers.slice(8, 4),
                             packed[12], packed[13] != 0, packed[14] != 0);
}

template <typename Operator>
class CoderFunction : public torch::autograd::Function<CoderFunction<Operator>> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& boxes,
                            const at::Tensor& other, const BoxCoderOptions& options) {
    context->save_for_backward({boxes, other});
    context->saved_data["options"] = Pack(options);
    const at::AutoDispatchBelowADInplaceOrView below;
    return Operator::Forward(boxes, other, options);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    TORCH_CHECK(!(at::GradMode::is_enabled() && grads[0].requires_grad()),
                "box coding has no second derivative");
    static const auto op = FindOperator<decltype(EncodeBackwardOnCpu)>(Operator::kBackward);
    const variable_list saved = context->get_saved_variables();
    const BoxCoderOptions options = Unpack(context->saved_data["options"].toDoubleVector());
    const auto [boxes, other] =
        op.call(saved[0], saved[1], grads[0], options.weights, options.mean, options.stddev,
                options.max_log_scale, options.inclusive, options.exact_inverse);
    return {boxes, other, at::Tensor()};  // the options have no gradient
  }
};

at::Tensor EncodeWithGradient(const at::Tensor& boxes, const at::Tensor& gt_boxes, Numbers weights,
                              Numbers mean, Numbers stddev, double max_log_scale, bool inclusive,
                              bool exact_inverse) {
  return CoderFunction<EncodeOperator>::apply(
      boxes, gt_boxes,
      ReadBoxCoderOptions(weights, mean, stddev, max_log_scale, inclusive, exact_inverse));
}

at::Tensor DecodeWithGradient(const at::Tensor& boxes, const at::Tensor& deltas, Numbers weights,
                              Numbers mean, Numbers stddev, double max_log_scale, bool inclusive,
                              bool exact_inverse) {
  return CoderFunction<DecodeOperator>::apply(
      boxes, deltas,
      ReadBoxCoderOptions(weights, mean, stddev, max_log_scale, inclusive, exact_inverse));
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineOperator(
      m, "encode_boxes(Tensor boxes, Tensor gt_boxes, *, " RCNN_BOX_CODER_SCHEMA ") -> Tensor",
      &EncodeOnCpuOrMeta, &EncodeOnCpuOrMeta, &EncodeWithGradient);
  DefineOperator(
      m, "decode_boxes(Tensor boxes, Tensor deltas, *, " RCNN_BOX_CODER_SCHEMA ") -> Tensor",
      &DecodeOnCpuOrMeta, &DecodeOnCpuOrMeta, &DecodeWithGradient);
  DefineOperator(m,
                 "_encode_boxes_backward(Tensor boxes, Tensor gt_boxes, Tensor grad, "
                 "*, " RCNN_BOX_CODER_SCHEMA ") -> (Tensor boxes, Tensor gt_boxes)",
                 &EncodeBackwardOnCpu, &BackwardOnMeta);
  DefineOperator(m,
                 "_decode_boxes_backward(Tensor boxes, Tensor deltas, Tensor grad, "
                 "*, " RCNN_BOX_CODER_SCHEMA ") -> (Tensor boxes, Tensor deltas)",
                 &DecodeBackwardOnCpu, &BackwardOnMeta);
}

}  // namespace

void CheckBoxCoderOptions(const BoxCoderOptions& options) {
  for (size_t i = 0; i < 4; ++i) {
    TORCH_CHECK(options.weights[i] > 0 && std::isfinite(options.weights[i]), "weights[", i,
                "]: expected > 0 and finite, got ", options.weights[i]);
    TORCH_CHECK(std::isfinite(options.mean[i]), "mean[", i, "]: expected finite, got ",
                options.mean[i]);
    TORCH_CHECK(options.stddev[i] > 0 && std::isfinite(options.stddev[i]), "stddev[", i,
                "]: expected > 0 and finite, got ", options.stddev[i]);
  }
  TORCH_CHECK(options.max_log_scale > 0, "max_log_scale: expected > 0, got ",
              options.max_log_scale);
}

void CheckEncodeArguments(const at::Tensor& boxes, const at::Tensor& gt_boxes,
                          const BoxCoderOptions& options) {
  CheckBoxCoderOptions(options);
  CheckBoxes(boxes, "boxes");
  CheckBoxes(gt_boxes, "gt_boxes");
  CheckSameLength(gt_boxes, "gt_boxes", boxes, "boxes");
  CheckSameDtypeAndDevice(gt_boxes, "gt_boxes", boxes, "boxes");
}

void CheckDecodeArguments(const at::Tensor& boxes, const at::Tensor& deltas,
                          const BoxCoderOptions& options) {
  CheckBoxCoderOptions(options);
  CheckBoxes(boxes, "boxes");
  CheckShape(deltas, "deltas", {-1, -1});
  TORCH_CHECK(deltas.size(1) > 0 && deltas.size(1) % 4 == 0,
              "deltas: expected a multiple of 4 columns, got ", Describe(deltas));
  CheckSameLength(deltas, "deltas", boxes, "boxes");
  CheckSameDtypeAndDevice(deltas, "deltas", boxes, "boxes");
  CheckFinite(deltas, "deltas");
}

at::Tensor EncodeBoxes(const at::Tensor& boxes, const at::Tensor& gt_boxes,
                       const BoxCoderOptions& options) {
  static const auto op = FindOperator<decltype(EncodeOnCpuOrMeta)>("encode_boxes");
  return Call(op, boxes, gt_boxes, options);
}

at::Tensor DecodeBoxes(const at::Tensor& boxes, const at::Tensor& deltas,
                       const BoxCoderOptions& options) {
  static const auto op = FindOperator<decltype(DecodeOnCpuOrMeta)>("decode_boxes");
  return Call(op, boxes, deltas, options);
}

}  // namespace rcnn::ops
