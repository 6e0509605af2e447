#include "rcnn/detection/enlarged_sum.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "rcnn/base/target_clones.h"

namespace rcnn::detection {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Cells of the map per task.
constexpr int64_t kCellsPerTask = 32768;
// On the CPU LibTorch adds some channels at a time, because the enlarged map is one of a detector's
// largest tensors.
constexpr int64_t kChannels = 32;

RCNN_LOOP void AddTwiceLoop(const float* __restrict top, int64_t count, float* __restrict row) {
  for (int64_t x = 0; x < count; ++x) {
    row[2 * x] += top[x];
    row[2 * x + 1] += top[x];
  }
}
RCNN_TARGET_CLONES(void, AddTwice, AddTwiceLoop,
                   (const float* __restrict top, int64_t count, float* __restrict row),
                   (top, count, row));

// The sums of two cells of a row and the two below, in the order in which LibTorch adds them.
RCNN_LOOP void SumFoursLoop(const float* __restrict upper, const float* __restrict lower,
                            int64_t count, float* __restrict sums) {
  for (int64_t x = 0; x < count; ++x) {
    sums[x] = upper[2 * x] + upper[2 * x + 1] + lower[2 * x] + lower[2 * x + 1];
  }
}
RCNN_TARGET_CLONES(void, SumFours, SumFoursLoop,
                   (const float* __restrict upper, const float* __restrict lower, int64_t count,
                    float* __restrict sums),
                   (upper, lower, count, sums));

bool IsPlain(const at::Tensor& x) {
  return x.dim() == 4 && x.device().is_cpu() && x.scalar_type() == at::kFloat &&
         x.layout() == at::kStrided && x.is_contiguous();
}

// Row and column i of the map then lie over i / 2, in every version of LibTorch.
bool IsTwice(const at::Tensor& top, const at::Tensor& map) {
  return IsPlain(top) && IsPlain(map) && 2 * top.size(2) == map.size(2) &&
         2 * top.size(3) == map.size(3) && map.numel() > 0;
}

int64_t RowsPerTask(int64_t width) { return std::max<int64_t>(1, kCellsPerTask / width); }

void AddTwiceAsLarge(const at::Tensor& top, const at::Tensor& map) {
  const int64_t width = top.size(3), rows = map.numel() / (2 * width);
  const float* from = top.data_ptr<float>();
  float* to = map.data_ptr<float>();
  // Planes have an even number of rows, so row i of all lies over row i / 2 of all.
  at::parallel_for(0, rows, RowsPerTask(2 * width), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) AddTwice(from + i / 2 * width, width, to + 2 * i * width);
  });
}

// The gradient of the coarse map from that of the sum.
at::Tensor SumOverCells(const at::Tensor& dy) {
  at::Tensor sums =
      at::empty({dy.size(0), dy.size(1), dy.size(2) / 2, dy.size(3) / 2}, dy.options());
  const int64_t width = sums.size(3), rows = sums.numel() / width;
  const float* from = dy.data_ptr<float>();
  float* to = sums.data_ptr<float>();
  at::parallel_for(0, rows, RowsPerTask(4 * width), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float* upper = from + 4 * i * width;
      SumFours(upper, upper + 2 * width, width, to + i * width);
    }
  });
  return sums;
}

// Of a map that is twice as large.
class EnlargedSum : public torch::autograd::Function<EnlargedSum> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& top,
                            const at::Tensor& map) {
    AddTwiceAsLarge(top, map);
    context->mark_dirty({map});
    return map;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "AddEnlarged has no second derivatives");
    at::Tensor of_top;
    if (context->needs_input_grad(0)) of_top = SumOverCells(gradients[0].contiguous());
    return {of_top, gradients[0]};
  }
};

}  // namespace

void AddEnlarged(const at::Tensor& top, at::Tensor& map) {
  TORCH_CHECK(
      top.dim() == 4 && map.dim() == 4 && top.size(0) == map.size(0) && top.size(1) == map.size(1),
      "AddEnlarged: ", top.sizes(), " has other images or channels than ", map.sizes());
  const std::vector<int64_t> size = {map.size(2), map.size(3)};
  const bool has_gradient =
      at::GradMode::is_enabled() && (top.requires_grad() || map.requires_grad());
  if (IsTwice(top, map)) {
    if (has_gradient) {
      map = EnlargedSum::apply(top, map);
    } else {
      AddTwiceAsLarge(top, map);
    }
    return;
  }
  if (has_gradient || !map.is_cpu()) {
    map.add_(at::upsample_nearest2d(top, size));
    return;
  }
  for (int64_t c = 0; c < map.size(1); c += kChannels) {
    const int64_t count = std::min(kChannels, map.size(1) - c);
    map.narrow(1, c, count).add_(at::upsample_nearest2d(top.narrow(1, c, count), size));
  }
}

}  // namespace rcnn::detection
