#include "rcnn/detection/convolution/patches.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstdint>
#include <vector>

namespace rcnn::detection {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kTaps = 9;
// Cells and channels per task.
constexpr int64_t kCellsPerTask = 16;
constexpr int64_t kChannelsPerTask = 8;

struct Planes {
  int64_t channels, height, width;

  explicit Planes(at::IntArrayRef map) : channels(map[1]), height(map[2]), width(map[3]) {}
  int64_t cells() const { return height * width; }
};

// Offsets of a cell's nine taps in the planes of its image; -1 outside.
struct Taps {
  int64_t image;
  int64_t at[kTaps];

  Taps(int64_t cell, const Planes& map) : image(cell / map.cells()) {
    const int64_t y = cell % map.cells() / map.width, x = cell % map.width;
    for (int64_t t = 0; t < kTaps; ++t) {
      const int64_t row = y + t / 3 - 1, column = x + t % 3 - 1;
      const bool inside = row >= 0 && row < map.height && column >= 0 && column < map.width;
      at[t] = inside ? row * map.width + column : -1;
    }
  }
};

template <typename T>
void Gather(const T* map, const Planes& shape, const int64_t* cells, int64_t count, T* patches) {
  at::parallel_for(0, count, kCellsPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t m = begin; m < end; ++m) {
      const Taps taps(cells[m], shape);
      const T* plane = map + taps.image * shape.channels * shape.cells();
      T* to = patches + m * shape.channels * kTaps;
      for (int64_t c = 0; c < shape.channels; ++c, plane += shape.cells(), to += kTaps) {
        for (int64_t t = 0; t < kTaps; ++t) to[t] = taps.at[t] < 0 ? T(0) : plane[taps.at[t]];
      }
    }
  });
}

// Adds patches to a map. One thread processes a channel, with its cells in order, so that
// sums do not depend on the number of threads.
template <typename T>
void Scatter(const T* patches, const Planes& shape, const int64_t* cells, int64_t count, T* map) {
  at::parallel_for(0, shape.channels, kChannelsPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t m = 0; m < count; ++m) {
      const Taps taps(cells[m], shape);
      T* plane = map + (taps.image * shape.channels + begin) * shape.cells();
      const T* from = patches + (m * shape.channels + begin) * kTaps;
      for (int64_t c = begin; c < end; ++c, plane += shape.cells(), from += kTaps) {
        for (int64_t t = 0; t < kTaps; ++t) {
          if (taps.at[t] >= 0) plane[taps.at[t]] += from[t];
        }
      }
    }
  });
}

class Patches : public torch::autograd::Function<Patches> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& map,
                            const at::Tensor& cells) {
    context->save_for_backward({cells});
    context->saved_data["sizes"] = map.sizes().vec();
    const Planes shape(map.sizes());
    const at::Tensor input = map.contiguous();
    at::Tensor patches = at::empty({cells.size(0), shape.channels * kTaps}, input.options());
    AT_DISPATCH_FLOATING_TYPES(input.scalar_type(), "ExtractPatches", [&] {
      Gather(input.data_ptr<scalar_t>(), shape, cells.data_ptr<int64_t>(), cells.size(0),
             patches.data_ptr<scalar_t>());
    });
    return patches;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "ExtractPatches has no second derivatives");
    const at::Tensor cells = context->get_saved_variables()[0];
    const std::vector<int64_t> sizes = context->saved_data["sizes"].toIntVector();
    const at::Tensor dy = gradients[0].contiguous();
    at::Tensor dx = at::zeros(sizes, dy.options());
    AT_DISPATCH_FLOATING_TYPES(dy.scalar_type(), "ExtractPatches", [&] {
      Scatter(dy.data_ptr<scalar_t>(), Planes(sizes), cells.data_ptr<int64_t>(), cells.size(0),
              dx.data_ptr<scalar_t>());
    });
    return {dx, at::Tensor()};
  }
};

}  // namespace

at::Tensor ExtractPatches(const at::Tensor& map, const at::Tensor& cells) {
  const bool has_dtype = map.scalar_type() == at::kFloat || map.scalar_type() == at::kDouble;
  TORCH_CHECK(map.dim() == 4 && map.is_cpu() && has_dtype,
              "map: expected [B, C, H, W] float32 or float64 on the CPU, got ", map.sizes(), " ",
              map.scalar_type());
  TORCH_CHECK(cells.dim() == 1 && cells.is_cpu() && cells.scalar_type() == at::kLong,
              "cells: expected [M] int64 on the CPU, got ", cells.sizes(), " ",
              cells.scalar_type());
  const at::Tensor in_order = cells.contiguous();
  const int64_t all = map.size(0) * map.size(2) * map.size(3);
  const int64_t* data = in_order.data_ptr<int64_t>();
  for (int64_t m = 0; m < in_order.size(0); ++m) {
    TORCH_CHECK(data[m] >= 0 && data[m] < all, "cells: row ", m, " is ", data[m], "; the map has ",
                all);
  }
  return Patches::apply(map, in_order);
}

}  // namespace rcnn::detection
