// The idea: a bin of RoIAlign is the mean of n_y x n_x bilinear samples. Bilinear interpolation and
// the mean are both separable, so a bin is a sum over the rows and columns that its samples touch:
//
//   bin(i, j) = sum over x of wx[j][x] * sum over y of wy[i][y] * f(y, x)
//   wy[i][y]  = 1 / n_y * sum over the samples s of bin i of max(0, 1 - |p_s - y|)
//
// with p_s clamped to the map, and weight 0 for a sample more than a pixel outside. The weights of
// an axis (AxisTaps, roi_align_taps.h) hold for all channels and are computed once per RoI; the
// work per channel is two short sums instead of 4 n_y n_x products per bin.
//
// Steps:
//   MakePlan    taps of every RoI, and for every map (level and image) the RoIs that read it
//   Forward     for every map and block of kChannelBlock channels: pack the channels side by side,
//               sum along y, then along x, unpack the bins (roi_align_kernels.h)
//   Backward    the transpose: bins along x, then y, added to a packed gradient of the map
//
// Packing copies either the whole map, once for all of its RoIs, or only the window that each RoI
// touches, whichever copies fewer pixels (PacksWholeMap).
//
// Invariants:
//   - A task is one (map, block): it alone writes its part of the output, or of the gradient, and
//     walks its RoIs in order. Sums have one order: results are bit-identical for any number of
//     threads, and RoIAlign on one level equals RoIAlign on a pyramid.
//   - Offsets address the packed block; Planes alone knows the memory format.
//   - Sums are float32 for float32 and bfloat16 maps, float64 for float64.
//
// Why it is fast: 32 channels side by side fill whole vectors in every tap, whatever the layout and
// the number of channels; a pixel is read once per row of bins instead of four times per sample;
// and a packed window stays in the second-level cache for all taps of its RoI.
//
// Source: He et al., arXiv:1703.06870v3, Sec. 3.

#include "rcnn/ops/cpu/roi_align_levels.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "rcnn/ops/cpu/channel_blocks.h"
#include "rcnn/ops/cpu/feature_planes.h"
#include "rcnn/ops/cpu/roi_align_kernels.h"
#include "rcnn/ops/cpu/roi_align_taps.h"

namespace rcnn::ops {
namespace {

// The taps of all RoIs, and which RoIs read which map: map index = level * images + image.
template <typename A>
struct Plan {
  std::vector<AxisTaps<A>> y;
  std::vector<AxisTaps<A>> x;
  std::vector<std::vector<int64_t>> rois_of_map;
};

template <typename A>
RoiAxis<A> AxisOfRoi(A begin, A end, A scale, const RoiAlignGrid& grid, int64_t bins,
                     int64_t size) {
  const A offset = grid.aligned ? A{0.5} : A{0};
  const A start = begin * scale - offset;
  const A length = end * scale - offset - start;
  return {start, grid.aligned ? length : std::max(length, A{1}), bins, grid.sampling_ratio, size};
}

template <typename A>
Plan<A> MakePlan(const RoiAlignRequest& request, at::TensorList features) {
  const at::Tensor rois = request.rois.to(c10::CppTypeToScalarType<A>::value).contiguous();
  const int64_t count = rois.size(0);
  const int64_t images = features[0].size(0);
  const A* roi = rois.data_ptr<A>();
  const int64_t* level = request.levels.data_ptr<int64_t>();
  Plan<A> plan;
  plan.y.resize(count);
  plan.x.resize(count);
  plan.rois_of_map.resize(features.size() * images);
  for (int64_t r = 0; r < count; ++r) {
    plan.rois_of_map[level[r] * images + static_cast<int64_t>(roi[5 * r])].push_back(r);
  }
  at::parallel_for(0, count, 64, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const A* box = roi + 5 * r + 1;
      const at::Tensor& map = features[level[r]];
      const A scale = static_cast<A>(request.scales[level[r]]);
      const RoiAlignGrid& grid = request.grid;
      plan.y[r] =
          ComputeAxisTaps(AxisOfRoi(box[1], box[3], scale, grid, grid.pooled_height, map.size(2)));
      plan.x[r] =
          ComputeAxisTaps(AxisOfRoi(box[0], box[2], scale, grid, grid.pooled_width, map.size(3)));
    }
  });
  return plan;
}

// Element offsets of a RoI's rows and columns in a block.
struct Offsets {
  std::vector<int64_t> rows;
  std::vector<int64_t> columns;
};

// In the block of the whole map.
template <typename A>
void OffsetsOnMap(const AxisTaps<A>& y, const AxisTaps<A>& x, int64_t width, Offsets* offsets) {
  offsets->rows.clear();
  offsets->columns.clear();
  for (const int32_t pixel : y.pixels) offsets->rows.push_back(pixel * width * kChannelBlock<A>);
  for (const int32_t pixel : x.pixels) offsets->columns.push_back(pixel * kChannelBlock<A>);
}

template <typename A>
int64_t ColumnSpan(const AxisTaps<A>& x) {
  return x.pixels.empty() ? 0 : x.pixels.back() - x.pixels.front() + 1;
}

// Copies the part that a RoI touches into `window` [y.pixels][column span]: its rows, each from its
// first to its last column.
template <typename T, typename A>
void PackWindow(const T* block, ChannelStrides strides, int64_t channels, int64_t width,
                const AxisTaps<A>& y, const AxisTaps<A>& x, BlockBuffer<A>* window,
                Offsets* offsets) {
  offsets->rows.clear();
  offsets->columns.clear();
  const int64_t span = ColumnSpan(x);
  A* to = window->Reserve(y.pixels.size() * span * kChannelBlock<A>);
  if (span == 0) return;
  for (size_t row = 0; row < y.pixels.size(); ++row) {
    const int64_t offset = static_cast<int64_t>(row) * span * kChannelBlock<A>;
    const T* from = block + (y.pixels[row] * width + x.pixels.front()) * strides.pixel;
    PackBlock(from, strides, channels, span, to + offset);
    offsets->rows.push_back(offset);
  }
  for (const int32_t pixel : x.pixels) {
    offsets->columns.push_back((pixel - x.pixels.front()) * kChannelBlock<A>);
  }
}

// Whether packing the whole map once costs less than packing the part that each RoI
// touches.
template <typename A>
bool PacksWholeMap(const Plan<A>& plan, const std::vector<int64_t>& rois, int64_t pixels) {
  int64_t touched = 0;
  for (const int64_t r : rois) {
    touched += static_cast<int64_t>(plan.y[r].pixels.size()) * ColumnSpan(plan.x[r]);
    if (touched >= pixels) return true;
  }
  return false;
}

template <typename A>
struct Scratch {
  BlockBuffer<A> map;
  BlockBuffer<A> columns;
  BlockBuffer<A> bins;
  Offsets offsets;
};

// One block of one image of `features`, for the RoIs that read it.
template <typename T, typename A>
void ForwardBlock(const at::Tensor& features, int64_t image, int64_t block, const Plan<A>& plan,
                  const std::vector<int64_t>& rois, const at::Tensor& output) {
  if (rois.empty()) return;
  const Planes<T> from(features);
  const Planes<T> to(output);
  const int64_t width = features.size(3);
  const int64_t channels = ChannelsInBlock<A>(from.channels, block);
  const T* source = from.Block(image, block);
  const bool whole = PacksWholeMap(plan, rois, from.pixels);
  Scratch<A> scratch;
  A* bins = scratch.bins.Reserve(to.pixels * kChannelBlock<A>);
  if (whole) {
    PackBlock(source, from.strides, channels, from.pixels,
              scratch.map.Reserve(from.pixels * kChannelBlock<A>));
  }
  for (const int64_t r : rois) {
    const AxisTaps<A>& y = plan.y[r];
    const AxisTaps<A>& x = plan.x[r];
    if (whole) {
      OffsetsOnMap(y, x, width, &scratch.offsets);
    } else {
      PackWindow(source, from.strides, channels, width, y, x, &scratch.map, &scratch.offsets);
    }
    const RoiOnBlock<A> roi{&y, &x, scratch.offsets.rows.data(), scratch.offsets.columns.data()};
    SampleBlock(scratch.map.Reserve(0), roi,
                scratch.columns.Reserve(x.pixels.size() * kChannelBlock<A>), bins);
    UnpackBlock(bins, channels, to.pixels, to.Block(r, block), to.strides);
  }
}

// One block of one image of the gradient with respect to the features.
template <typename T, typename A>
void BackwardBlock(const at::Tensor& grad, int64_t image, int64_t block, const Plan<A>& plan,
                   const std::vector<int64_t>& rois, const at::Tensor& grad_features) {
  const Planes<T> from(grad);
  const Planes<T> to(grad_features);
  const int64_t width = grad_features.size(3);
  const int64_t channels = ChannelsInBlock<A>(to.channels, block);
  Scratch<A> scratch;
  A* bins = scratch.bins.Reserve(from.pixels * kChannelBlock<A>);
  A* map = scratch.map.Reserve(to.pixels * kChannelBlock<A>);
  std::fill_n(map, to.pixels * kChannelBlock<A>, A{0});
  for (const int64_t r : rois) {
    const AxisTaps<A>& y = plan.y[r];
    const AxisTaps<A>& x = plan.x[r];
    PackBlock(from.Block(r, block), from.strides, channels, from.pixels, bins);
    OffsetsOnMap(y, x, width, &scratch.offsets);
    const RoiOnBlock<A> roi{&y, &x, scratch.offsets.rows.data(), scratch.offsets.columns.data()};
    ScatterBlock(bins, roi, scratch.columns.Reserve(x.pixels.size() * kChannelBlock<A>), map);
  }
  UnpackBlock(map, channels, to.pixels, to.Block(image, block), to.strides);
}

}  // namespace

void RoiAlignLevelsForward(at::TensorList features, const RoiAlignRequest& request,
                           const at::Tensor& output) {
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, output.scalar_type(), "roi_align", [&] {
    using A = typename SumType<scalar_t>::type;
    const Plan<A> plan = MakePlan<A>(request, features);
    const int64_t images = features[0].size(0);
    ForMapsAndBlocks(plan.rois_of_map.size(), NumChannelBlocks<A>(output.size(1)),
                     [&](int64_t map, int64_t b) {
                       ForwardBlock<scalar_t>(features[map / images], map % images, b, plan,
                                              plan.rois_of_map[map], output);
                     });
  });
}

void RoiAlignLevelsBackward(const at::Tensor& grad, const RoiAlignRequest& request,
                            at::TensorList grad_features) {
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, grad.scalar_type(), "roi_align_backward", [&] {
    using A = typename SumType<scalar_t>::type;
    const Plan<A> plan = MakePlan<A>(request, grad_features);
    const int64_t images = grad_features[0].size(0);
    ForMapsAndBlocks(plan.rois_of_map.size(), NumChannelBlocks<A>(grad.size(1)),
                     [&](int64_t map, int64_t b) {
                       BackwardBlock<scalar_t>(grad, map % images, b, plan, plan.rois_of_map[map],
                                               grad_features[map / images]);
                     });
  });
}

}  // namespace rcnn::ops
