#include "rcnn/detection/max_pool.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "rcnn/base/target_clones.h"

namespace rcnn::detection {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor Pool(const at::Tensor& x, const MaxPoolOptions& options) {
  return at::max_pool2d(x, {options.kernel, options.kernel}, {options.stride, options.stride},
                        {options.padding, options.padding}, {1, 1}, options.ceil_mode);
}

// best[j] = max(best[j], x[j]), where the first of equal values and the last NaN win, as in
// LibTorch.
RCNN_LOOP void TakeMaxLoop(const float* __restrict x, int64_t count, float* __restrict best) {
  for (int64_t j = 0; j < count; ++j) {
    const bool larger = (x[j] > best[j]) | (x[j] != x[j]);
    best[j] = larger ? x[j] : best[j];
  }
}
RCNN_TARGET_CLONES(void, TakeMax, TakeMaxLoop,
                   (const float* __restrict x, int64_t count, float* __restrict best),
                   (x, count, best));

RCNN_LOOP void TakeMaxOfEverySecondLoop(const float* __restrict x, int64_t count,
                                        float* __restrict best) {
  for (int64_t j = 0; j < count; ++j) {
    const float value = x[2 * j];
    const bool larger = (value > best[j]) | (value != value);
    best[j] = larger ? value : best[j];
  }
}
RCNN_TARGET_CLONES(void, TakeMaxOfEverySecond, TakeMaxOfEverySecondLoop,
                   (const float* __restrict x, int64_t count, float* __restrict best),
                   (x, count, best));

void TakeMax(const float* x, int64_t stride, int64_t count, float* best) {
  if (stride == 1) return TakeMax(x, count, best);
  if (stride == 2) return TakeMaxOfEverySecond(x, count, best);
  for (int64_t j = 0; j < count; ++j) TakeMaxLoop(x + stride * j, 1, best + j);
}

// The same, and places[j] = place + stride j where x[stride j] is taken.
RCNN_LOOP void TakePlaceLoop(const float* __restrict x, int32_t place, int64_t stride,
                             int64_t count, float* __restrict best, int32_t* __restrict places) {
  for (int64_t j = 0; j < count; ++j) {
    const float value = x[stride * j];
    const bool larger = (value > best[j]) | (value != value);
    best[j] = larger ? value : best[j];
    places[j] = larger ? place + static_cast<int32_t>(stride * j) : places[j];
  }
}
RCNN_LOOP void TakePlaceOfOneLoop(const float* __restrict x, int32_t place, int64_t count,
                                  float* __restrict best, int32_t* __restrict places) {
  TakePlaceLoop(x, place, 1, count, best, places);
}
RCNN_LOOP void TakePlaceOfTwoLoop(const float* __restrict x, int32_t place, int64_t count,
                                  float* __restrict best, int32_t* __restrict places) {
  TakePlaceLoop(x, place, 2, count, best, places);
}
RCNN_TARGET_CLONES(void, TakePlaceOfOne, TakePlaceOfOneLoop,
                   (const float* __restrict x, int32_t place, int64_t count, float* __restrict best,
                    int32_t* __restrict places),
                   (x, place, count, best, places));
RCNN_TARGET_CLONES(void, TakePlaceOfTwo, TakePlaceOfTwoLoop,
                   (const float* __restrict x, int32_t place, int64_t count, float* __restrict best,
                    int32_t* __restrict places),
                   (x, place, count, best, places));

void TakePlace(const float* x, int32_t place, int64_t stride, int64_t count, float* best,
               int32_t* places) {
  if (stride == 1) return TakePlaceOfOne(x, place, count, best, places);
  if (stride == 2) return TakePlaceOfTwo(x, place, count, best, places);
  TakePlaceLoop(x, place, stride, count, best, places);
}

struct PlaneShape {
  int64_t height, width, pooled_height, pooled_width;
  int64_t first = 0;  // the row of the map at which the plane begins
};

// Calls take(cell, begin, count) for each row of a window and each of its columns in turn, as
// LibTorch visits a window's cells, so that of equal values the same wins: the windows from `begin`
// on, `count` of them, have this cell of theirs in the map, the first one at `cell` of the plane.
template <typename Take>
void ForEachCell(int64_t i, const PlaneShape& shape, const MaxPoolOptions& options,
                 const Take& take) {
  const int64_t stride = options.stride, top = i * stride - options.padding;
  const int64_t bottom = std::min(top + options.kernel, shape.height);
  for (int64_t row = std::max<int64_t>(top, 0); row < bottom; ++row) {
    for (int64_t q = -options.padding; q < options.kernel - options.padding; ++q) {
      const int64_t begin = q < 0 ? (stride - 1 - q) / stride : 0;
      const int64_t end = std::min(shape.pooled_width, (shape.width - q + stride - 1) / stride);
      if (begin >= end) continue;
      take((row - shape.first) * shape.width + begin * stride + q, begin, end - begin);
    }
  }
}

void PoolRow(const float* x, int64_t i, const PlaneShape& shape, const MaxPoolOptions& options,
             float* y) {
  std::fill_n(y, shape.pooled_width, -std::numeric_limits<float>::infinity());
  ForEachCell(i, shape, options, [&](int64_t cell, int64_t begin, int64_t count) {
    TakeMax(x + cell, options.stride, count, y + begin);
  });
}

// Where the windows of row i are largest: at the first of equal values, and the last NaN. `best` is
// scratch; both have pooled_width elements.
void FindRow(const float* x, int64_t i, const PlaneShape& shape, const MaxPoolOptions& options,
             float* best, int32_t* places) {
  std::fill_n(best, shape.pooled_width, -std::numeric_limits<float>::infinity());
  // The first cells, for windows of nothing larger than that.
  const int64_t top = std::max<int64_t>(i * options.stride - options.padding, 0);
  for (int64_t j = 0; j < shape.pooled_width; ++j) {
    const int64_t left = std::max<int64_t>(j * options.stride - options.padding, 0);
    places[j] = static_cast<int32_t>(top * shape.width + left);
  }
  ForEachCell(i, shape, options, [&](int64_t cell, int64_t begin, int64_t count) {
    TakePlace(x + cell, static_cast<int32_t>(cell), options.stride, count, best + begin,
              places + begin);
  });
}

bool IsPlain(const at::Tensor& x) {
  return x.dim() == 4 && x.device().is_cpu() && x.scalar_type() == at::kFloat;
}

bool HasRowsWithoutGaps(const at::Tensor& x) {
  return x.stride(3) == 1 && x.stride(2) == x.size(3);
}

// Whether MaxPoolRows can: others have an error, or are rare.
bool CanPool(const at::Tensor& x, const MaxPoolOptions& options) {
  return IsPlain(x) && x.is_contiguous() && HasRowsWithoutGaps(x) && options.kernel > 0 &&
         options.stride > 0 && options.padding >= 0 && 2 * options.padding <= options.kernel &&
         x.numel() > 0 && PooledSize(x.size(2), options) > 0 && PooledSize(x.size(3), options) > 0;
}

// A thread's memory: a row of windows.
struct RowScratch {
  explicit RowScratch(int64_t windows) : best(windows), places(windows) {}

  std::vector<float> best;
  std::vector<int32_t> places;
};

void AddGradient(const float* x, const float* dy, const PlaneShape& shape,
                 const MaxPoolOptions& options, RowScratch& scratch, float* dx) {
  for (int64_t i = 0; i < shape.pooled_height; ++i, dy += shape.pooled_width) {
    FindRow(x, i, shape, options, scratch.best.data(), scratch.places.data());
    for (int64_t j = 0; j < shape.pooled_width; ++j) {
      // Where all of a window is masked, so is its largest value. A NaN passes, as in LibTorch.
      const bool masked = options.masks_gradient && scratch.best[j] <= 0;
      dx[scratch.places[j]] += masked ? 0.0f : dy[j];
    }
  }
}

at::Tensor Gradient(const at::Tensor& x, const at::Tensor& dy, const MaxPoolOptions& options) {
  const at::Tensor input = x.contiguous(), gradient = dy.contiguous();
  at::Tensor dx = at::empty(x.sizes(), input.options());
  const PlaneShape shape{x.size(2), x.size(3), dy.size(2), dy.size(3)};
  const int64_t plane = shape.height * shape.width;
  const int64_t pooled = shape.pooled_height * shape.pooled_width;
  TORCH_CHECK(plane <= std::numeric_limits<int32_t>::max(), "max pool: no gradient of a plane of ",
              plane, " cells");
  const float* x_data = input.data_ptr<float>();
  const float* dy_data = gradient.data_ptr<float>();
  float* dx_data = dx.data_ptr<float>();
  at::parallel_for(0, x.size(0) * x.size(1), 1, [&](int64_t begin, int64_t end) {
    RowScratch scratch(shape.pooled_width);
    for (int64_t p = begin; p < end; ++p) {
      std::fill_n(dx_data + p * plane, plane, 0.0f);
      AddGradient(x_data + p * plane, dy_data + p * pooled, shape, options, scratch,
                  dx_data + p * plane);
    }
  });
  return dx;
}

at::Tensor PoolWithoutGradient(const at::Tensor& x, const MaxPoolOptions& options) {
  if (!CanPool(x, options)) return Pool(x, options);
  const at::Tensor y = at::empty(
      {x.size(0), x.size(1), PooledSize(x.size(2), options), PooledSize(x.size(3), options)},
      x.options());
  MaxPoolRows(x.detach(), 0, x.size(2), options, 0, y);
  return y;
}

class Function : public torch::autograd::Function<Function> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, int64_t kernel,
                            int64_t stride, int64_t padding, bool ceil_mode, bool masks_gradient) {
    context->save_for_backward({x});
    context->saved_data["kernel"] = kernel;
    context->saved_data["stride"] = stride;
    context->saved_data["padding"] = padding;
    context->saved_data["masks_gradient"] = masks_gradient;
    return PoolWithoutGradient(x.detach(), {kernel, stride, padding, ceil_mode});
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "MaxPool has no second derivatives");
    MaxPoolOptions options;
    options.kernel = context->saved_data["kernel"].toInt();
    options.stride = context->saved_data["stride"].toInt();
    options.padding = context->saved_data["padding"].toInt();
    options.masks_gradient = context->saved_data["masks_gradient"].toBool();
    const at::Tensor dx = Gradient(context->get_saved_variables()[0], gradients[0], options);
    return {dx, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

int64_t PooledSize(int64_t size, const MaxPoolOptions& options) {
  const int64_t stride = options.stride, last = size + 2 * options.padding - options.kernel;
  if (last < 0) return options.ceil_mode && size > 0 && last > -stride ? 1 : 0;
  const int64_t windows = last / stride + 1;
  const bool partial =
      options.ceil_mode && last % stride != 0 && windows * stride < size + options.padding;
  return windows + (partial ? 1 : 0);
}

void MaxPoolRows(const at::Tensor& x, int64_t first, int64_t height, const MaxPoolOptions& options,
                 int64_t begin, const at::Tensor& y) {
  TORCH_CHECK(IsPlain(x) && IsPlain(y) && HasRowsWithoutGaps(x) && HasRowsWithoutGaps(y) &&
                  x.size(0) == y.size(0) && x.size(1) == y.size(1) &&
                  y.size(3) == PooledSize(x.size(3), options),
              "max pool: ", x.toString(), " ", x.sizes(), " to ", y.toString(), " ", y.sizes());
  const int64_t rows = y.size(2), top = begin * options.stride - options.padding;
  const int64_t bottom = top + (rows - 1) * options.stride + options.kernel;
  TORCH_CHECK(begin >= 0 && begin + rows <= PooledSize(height, options) &&
                  first <= std::max<int64_t>(top, 0) &&
                  first + x.size(2) >= std::min(bottom, height),
              "max pool: rows ", begin, " to ", begin + rows, " depend on others than ", first,
              " to ", first + x.size(2), " of ", height);
  const PlaneShape shape{height, x.size(3), rows, y.size(3), first};
  const int64_t channels = x.size(1);
  const float* from = x.data_ptr<float>();
  float* to = y.data_ptr<float>();
  at::parallel_for(0, x.size(0) * channels, 1, [&](int64_t begin_plane, int64_t end_plane) {
    for (int64_t p = begin_plane; p < end_plane; ++p) {
      const float* plane = from + p / channels * x.stride(0) + p % channels * x.stride(1);
      float* pooled = to + p / channels * y.stride(0) + p % channels * y.stride(1);
      for (int64_t i = 0; i < rows; ++i) {
        PoolRow(plane, begin + i, shape, options, pooled + i * shape.pooled_width);
      }
    }
  });
}

at::Tensor MaxPool(const at::Tensor& x, const MaxPoolOptions& options) {
  if (!at::GradMode::is_enabled() || !x.requires_grad()) return PoolWithoutGradient(x, options);
  if (!IsPlain(x)) {
    TORCH_CHECK(!options.masks_gradient, "max pool: no masked gradient of ", x.toString(), " ",
                x.sizes());
    return Pool(x, options);
  }
  return Function::apply(x, options.kernel, options.stride, options.padding, options.ceil_mode,
                         options.masks_gradient);
}

BatchMap MaxPool(const BatchMap& x, const MaxPoolOptions& options) {
  return ForEachPart(x, [&](const at::Tensor& part) { return MaxPool(part, options); });
}

}  // namespace rcnn::detection
