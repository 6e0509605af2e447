#include "rcnn/detection/enlarged_sum.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "rcnn/base/target_clones.h"

namespace rcnn::detection {
namespace {

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

bool IsPlain(const at::Tensor& x) {
  return x.dim() == 4 && x.device().is_cpu() && x.scalar_type() == at::kFloat &&
         x.layout() == at::kStrided && x.is_contiguous();
}

// Row and column i of the map then lie over i / 2, in every version of LibTorch.
bool IsTwice(const at::Tensor& top, const at::Tensor& map) {
  return IsPlain(top) && IsPlain(map) && 2 * top.size(2) == map.size(2) &&
         2 * top.size(3) == map.size(3) && map.numel() > 0;
}

void AddTwiceAsLarge(const at::Tensor& top, const at::Tensor& map) {
  const int64_t width = top.size(3), rows = map.numel() / (2 * width);
  const float* from = top.data_ptr<float>();
  float* to = map.data_ptr<float>();
  const int64_t grain = std::max<int64_t>(1, kCellsPerTask / (2 * width));
  // Planes have an even number of rows, so row i of all lies over row i / 2 of all.
  at::parallel_for(0, rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) AddTwice(from + i / 2 * width, width, to + 2 * i * width);
  });
}

}  // namespace

void AddEnlarged(const at::Tensor& top, at::Tensor& map) {
  TORCH_CHECK(
      top.dim() == 4 && map.dim() == 4 && top.size(0) == map.size(0) && top.size(1) == map.size(1),
      "AddEnlarged: ", top.sizes(), " has other images or channels than ", map.sizes());
  const std::vector<int64_t> size = {map.size(2), map.size(3)};
  if (at::GradMode::is_enabled() || !map.is_cpu()) {
    map.add_(at::upsample_nearest2d(top, size));
    return;
  }
  if (IsTwice(top, map)) {
    AddTwiceAsLarge(top, map);
    return;
  }
  for (int64_t c = 0; c < map.size(1); c += kChannels) {
    const int64_t count = std::min(kChannels, map.size(1) - c);
    map.narrow(1, c, count).add_(at::upsample_nearest2d(top.narrow(1, c, count), size));
  }
}

}  // namespace rcnn::detection
