#include "rcnn/detection/max_pool.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

namespace rcnn::detection {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor Pool(const at::Tensor& x, const MaxPoolOptions& options) {
  return at::max_pool2d(x, {options.kernel, options.kernel}, {options.stride, options.stride},
                        {options.padding, options.padding}, {1, 1}, options.ceil_mode);
}

// The cells of an input plane that a window covers.
struct Window {
  int64_t top, left, bottom, right;
};

// Where x is largest: the first of equal values, and the last NaN.
int64_t IndexOfMax(const float* x, int64_t width, const Window& window) {
  int64_t best = window.top * width + window.left;
  float largest = x[best];
  for (int64_t i = window.top; i < window.bottom; ++i) {
    for (int64_t j = window.left; j < window.right; ++j) {
      const float value = x[i * width + j];
      const bool larger = value > largest || std::isnan(value);
      best = larger ? i * width + j : best;
      largest = larger ? value : largest;
    }
  }
  return best;
}

struct PlaneShape {
  int64_t height, width, pooled_height, pooled_width;
};

void AddGradient(const float* x, const float* dy, const PlaneShape& shape,
                 const MaxPoolOptions& options, float* dx) {
  for (int64_t i = 0; i < shape.pooled_height; ++i) {
    const int64_t y0 = i * options.stride - options.padding;
    for (int64_t j = 0; j < shape.pooled_width; ++j) {
      const int64_t x0 = j * options.stride - options.padding;
      const Window window{std::max<int64_t>(y0, 0), std::max<int64_t>(x0, 0),
                          std::min(y0 + options.kernel, shape.height),
                          std::min(x0 + options.kernel, shape.width)};
      dx[IndexOfMax(x, shape.width, window)] += dy[i * shape.pooled_width + j];
    }
  }
}

at::Tensor Gradient(const at::Tensor& x, const at::Tensor& dy, const MaxPoolOptions& options) {
  const at::Tensor input = x.contiguous(), gradient = dy.contiguous();
  at::Tensor dx = at::empty(x.sizes(), input.options());
  const PlaneShape shape{x.size(2), x.size(3), dy.size(2), dy.size(3)};
  const int64_t plane = shape.height * shape.width;
  const int64_t pooled = shape.pooled_height * shape.pooled_width;
  const float* x_data = input.data_ptr<float>();
  const float* dy_data = gradient.data_ptr<float>();
  float* dx_data = dx.data_ptr<float>();
  at::parallel_for(0, x.size(0) * x.size(1), 1, [&](int64_t begin, int64_t end) {
    std::fill(dx_data + begin * plane, dx_data + end * plane, 0.0f);
    for (int64_t p = begin; p < end; ++p) {
      AddGradient(x_data + p * plane, dy_data + p * pooled, shape, options, dx_data + p * plane);
    }
  });
  return dx;
}

class Function : public torch::autograd::Function<Function> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, int64_t kernel,
                            int64_t stride, int64_t padding, bool ceil_mode) {
    context->save_for_backward({x});
    context->saved_data["kernel"] = kernel;
    context->saved_data["stride"] = stride;
    context->saved_data["padding"] = padding;
    return Pool(x, {kernel, stride, padding, ceil_mode});
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "MaxPool has no second derivatives");
    MaxPoolOptions options;
    options.kernel = context->saved_data["kernel"].toInt();
    options.stride = context->saved_data["stride"].toInt();
    options.padding = context->saved_data["padding"].toInt();
    const at::Tensor dx = Gradient(context->get_saved_variables()[0], gradients[0], options);
    return {dx, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor MaxPool(const at::Tensor& x, const MaxPoolOptions& options) {
  const bool ours = at::GradMode::is_enabled() && x.requires_grad() && x.dim() == 4 &&
                    x.device().is_cpu() && x.scalar_type() == at::kFloat;
  if (!ours) return Pool(x, options);
  return Function::apply(x, options.kernel, options.stride, options.padding, options.ceil_mode);
}

BatchMap MaxPool(const BatchMap& x, const MaxPoolOptions& options) {
  return ForEachPart(x, [&](const at::Tensor& part) { return MaxPool(part, options); });
}

}  // namespace rcnn::detection
