#include "rcnn/ops/box_coder.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <tuple>
#include <vector>

#include "rcnn/base/not_finite_error.h"
#include "rcnn/ops/box_coder_kernel.h"
#include "rcnn/ops/check.h"

namespace rcnn::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Rows per task; a row is two logarithms or exponentials.
constexpr int64_t kGrain = 1024;

at::Tensor OnCpu(const at::Tensor& tensor) { return tensor.to(at::kCPU).contiguous(); }

template <typename T>
void CheckSides(const at::Tensor& boxes, const char* name, const BoxCoderKernel<T>& coder) {
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
  const BoxCoderKernel<T> coder(options);
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
variable_list EncodeBackward(const at::Tensor& boxes, const at::Tensor& gt_boxes,
                             const at::Tensor& grad, const BoxCoderOptions& options) {
  const BoxCoderKernel<T> coder(options);
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

// An infinite delta limit, or a large one, lets a finite delta decode to infinity.
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
  const BoxCoderKernel<T> coder(options);
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
variable_list DecodeBackward(const at::Tensor& boxes, const at::Tensor& deltas,
                             const at::Tensor& grad, const BoxCoderOptions& options) {
  const BoxCoderKernel<T> coder(options);
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
  BoxCoderOptions options;
  for (size_t i = 0; i < 4; ++i) {
    options.weights[i] = packed[i];
    options.mean[i] = packed[4 + i];
    options.stddev[i] = packed[8 + i];
  }
  options.max_log_scale = packed[12];
  options.inclusive = packed[13] != 0;
  options.exact_inverse = packed[14] != 0;
  return options;
}

void Save(AutogradContext* context, const at::Tensor& boxes, const at::Tensor& other,
          const BoxCoderOptions& options) {
  context->save_for_backward({boxes, other});
  context->saved_data["options"] = Pack(options);
}

struct Saved {
  at::Tensor boxes;
  at::Tensor other;
  at::Tensor grad;
  BoxCoderOptions options;
};

Saved Restore(AutogradContext* context, const variable_list& grads) {
  TORCH_CHECK(!(at::GradMode::is_enabled() && grads[0].requires_grad()),
              "box coding has no second derivative");
  const variable_list saved = context->get_saved_variables();
  return {OnCpu(saved[0]), OnCpu(saved[1]), OnCpu(grads[0]),
          Unpack(context->saved_data["options"].toDoubleVector())};
}

// The gradients go back to the device of the saved tensors; the options have none.
variable_list Finish(AutogradContext* context, const variable_list& grads) {
  const at::Device device = context->get_saved_variables()[0].device();
  return {grads[0].to(device), grads[1].to(device), at::Tensor()};
}

class EncodeFunction : public torch::autograd::Function<EncodeFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& boxes,
                            const at::Tensor& gt_boxes, const BoxCoderOptions& options) {
    Save(context, boxes, gt_boxes, options);
    if (boxes.is_meta()) return at::empty_like(boxes);
    const auto encode = boxes.scalar_type() == at::kDouble ? &Encode<double> : &Encode<float>;
    return encode(OnCpu(boxes), OnCpu(gt_boxes), options).to(boxes.device());
  }
  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const Saved saved = Restore(context, grads);
    const auto backward =
        saved.boxes.scalar_type() == at::kDouble ? &EncodeBackward<double> : &EncodeBackward<float>;
    return Finish(context, backward(saved.boxes, saved.other, saved.grad, saved.options));
  }
};

class DecodeFunction : public torch::autograd::Function<DecodeFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& boxes,
                            const at::Tensor& deltas, const BoxCoderOptions& options) {
    Save(context, boxes, deltas, options);
    if (deltas.is_meta()) return at::empty_like(deltas);
    const auto decode = boxes.scalar_type() == at::kDouble ? &Decode<double> : &Decode<float>;
    return decode(OnCpu(boxes), OnCpu(deltas), options).to(boxes.device());
  }
  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const Saved saved = Restore(context, grads);
    const auto backward =
        saved.boxes.scalar_type() == at::kDouble ? &DecodeBackward<double> : &DecodeBackward<float>;
    return Finish(context, backward(saved.boxes, saved.other, saved.grad, saved.options));
  }
};

}  // namespace

void CheckBoxCoderOptions(const BoxCoderOptions& options) {
  for (size_t i = 0; i < 4; ++i) {
    TORCH_CHECK(options.weights[i] > 0 && std::isfinite(options.weights[i]), "weights[", i,
                "]: expected > 0 and finite, is ", options.weights[i]);
    TORCH_CHECK(std::isfinite(options.mean[i]), "mean[", i, "]: expected finite, is ",
                options.mean[i]);
    TORCH_CHECK(options.stddev[i] > 0 && std::isfinite(options.stddev[i]), "stddev[", i,
                "]: expected > 0 and finite, is ", options.stddev[i]);
  }
  TORCH_CHECK(options.max_log_scale > 0, "max_log_scale: expected > 0, is ", options.max_log_scale);
}

at::Tensor EncodeBoxes(const at::Tensor& boxes, const at::Tensor& gt_boxes,
                       const BoxCoderOptions& options) {
  CheckBoxCoderOptions(options);
  CheckBoxes(boxes, "boxes");
  CheckBoxes(gt_boxes, "gt_boxes");
  CheckSameLength(gt_boxes, "gt_boxes", boxes, "boxes");
  CheckSameDtypeAndDevice(gt_boxes, "gt_boxes", boxes, "boxes");
  return EncodeFunction::apply(boxes, gt_boxes, options);
}

at::Tensor DecodeBoxes(const at::Tensor& boxes, const at::Tensor& deltas,
                       const BoxCoderOptions& options) {
  CheckBoxCoderOptions(options);
  CheckBoxes(boxes, "boxes");
  CheckShape(deltas, "deltas", {-1, -1});
  TORCH_CHECK(deltas.size(1) > 0 && deltas.size(1) % 4 == 0,
              "deltas: expected a multiple of 4 columns, is ", Describe(deltas));
  CheckSameLength(deltas, "deltas", boxes, "boxes");
  CheckSameDtypeAndDevice(deltas, "deltas", boxes, "boxes");
  CheckFinite(deltas, "deltas");
  return DecodeFunction::apply(boxes, deltas, options);
}

}  // namespace rcnn::ops
