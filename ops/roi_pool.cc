// RoIPool in the layout of channel_blocks.h, so that a pixel's 32 channels are compared as whole
// vectors.
//
//   MakePlan  the pixel ranges of every RoI's bins, per axis, and the RoIs of every image
//   forward   for every image and block of channels: pack the whole map, or for each RoI the window
//             that it touches, whichever copies fewer pixels; take maxima (roi_pool_kernels.h);
//             unpack the bins and, for a gradient, the indices of their maxima
//   backward  for every image and block: map[argmax] += grad over its RoIs in order, then unpack
//
// Invariant: a task is one (image, block) and alone writes its part of the result, with its RoIs in
// order. So both passes are bit-identical for any number of threads.

#include "rcnn/ops/roi_pool.h"

#include <ATen/Dispatch.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

#include "rcnn/ops/cpu/channel_blocks.h"
#include "rcnn/ops/cpu/feature_planes.h"
#include "rcnn/ops/cpu/roi_pool_kernels.h"
#include "rcnn/ops/dispatch.h"
#include "rcnn/ops/rois.h"

namespace rcnn::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// Halves are rounded away from 0, and positions computed in A, as torchvision does.
template <typename A>
std::vector<BinRange> BinsOfAxis(A begin, A end, A scale, int64_t bins, int64_t size) {
  const int64_t first = static_cast<int64_t>(std::round(begin * scale));
  const int64_t last = static_cast<int64_t>(std::round(end * scale));
  const A bin = static_cast<A>(std::max<int64_t>(last - first + 1, 1)) / static_cast<A>(bins);
  std::vector<BinRange> ranges(bins);
  for (int64_t i = 0; i < bins; ++i) {
    const int64_t low = static_cast<int64_t>(std::floor(static_cast<A>(i) * bin));
    const int64_t high = static_cast<int64_t>(std::ceil(static_cast<A>(i + 1) * bin));
    ranges[i] = {std::clamp<int64_t>(first + low, 0, size),
                 std::clamp<int64_t>(first + high, 0, size)};
  }
  return ranges;
}

// The pixels from the first to the last bin.
BinRange Span(const std::vector<BinRange>& bins) { return {bins.front().begin, bins.back().end}; }

int64_t SpanPixels(const RoiBins& roi) {
  const BinRange y = Span(roi.y);
  const BinRange x = Span(roi.x);
  return (y.end - y.begin) * (x.end - x.begin);
}

struct Plan {
  std::vector<RoiBins> bins;
  std::vector<std::vector<int64_t>> rois_of_image;
};

template <typename A>
Plan MakePlan(const at::Tensor& input, const at::Tensor& rois, const RoiPoolOptions& options) {
  const at::Tensor values = rois.to(c10::CppTypeToScalarType<A>::value).contiguous();
  const A* roi = values.data_ptr<A>();
  const A scale = static_cast<A>(options.spatial_scale);
  Plan plan;
  plan.rois_of_image.resize(input.size(0));
  for (int64_t r = 0; r < rois.size(0); ++r, roi += 5) {
    plan.rois_of_image[static_cast<int64_t>(roi[0])].push_back(r);
    plan.bins.push_back({BinsOfAxis(roi[2], roi[4], scale, options.pooled_height, input.size(2)),
                         BinsOfAxis(roi[1], roi[3], scale, options.pooled_width, input.size(3))});
  }
  return plan;
}

// Whether packing the whole map once costs less than packing the part that each RoI
// touches.
bool PacksWholeMap(const Plan& plan, const std::vector<int64_t>& rois, int64_t pixels) {
  int64_t touched = 0;
  for (const int64_t r : rois) {
    touched += SpanPixels(plan.bins[r]);
    if (touched >= pixels) return true;
  }
  return false;
}

// Copies the part that a RoI touches.
template <typename T, typename A>
MapWindow<A> PackWindow(const T* block, ChannelStrides strides, int64_t channels, int64_t width,
                        const RoiBins& roi, BlockBuffer<A>* buffer) {
  const BinRange y = Span(roi.y);
  const BinRange x = Span(roi.x);
  const int64_t span = x.end - x.begin;
  A* to = buffer->Reserve(SpanPixels(roi) * kChannelBlock<A>);
  for (int64_t row = y.begin; span > 0 && row < y.end; ++row) {
    PackBlock(block + (row * width + x.begin) * strides.pixel, strides, channels, span,
              to + (row - y.begin) * span * kChannelBlock<A>);
  }
  return {to, y.begin, x.begin, span, width};
}

// One block of one image, for the RoIs that read it. `argmax` may be undefined.
template <typename T, typename A>
void ForwardBlock(const at::Tensor& input, int64_t image, int64_t block, const Plan& plan,
                  const at::Tensor& output, const at::Tensor& argmax, A /*sum_type*/) {
  using Index = typename IndexType<A>::type;
  const std::vector<int64_t>& rois = plan.rois_of_image[image];
  if (rois.empty()) return;
  const Planes<T> from(input);
  const Planes<T> to(output);
  const int64_t width = input.size(3);
  const int64_t channels = ChannelsInBlock<A>(from.channels, block);
  BlockBuffer<A> map, bins;
  BlockBuffer<Index> index;
  MapWindow<A> window{nullptr, 0, 0, width, width};
  const bool whole = PacksWholeMap(plan, rois, from.pixels);
  if (whole) {
    A* packed = map.Reserve(from.pixels * kChannelBlock<A>);
    PackBlock(from.Block(image, block), from.strides, channels, from.pixels, packed);
    window.data = packed;
  }
  A* best = bins.Reserve(to.pixels * kChannelBlock<A>);
  Index* at = argmax.defined() ? index.Reserve(to.pixels * kChannelBlock<A>) : nullptr;
  for (const int64_t r : rois) {
    if (!whole) {
      window =
          PackWindow(from.Block(image, block), from.strides, channels, width, plan.bins[r], &map);
    }
    MaxBlock(window, plan.bins[r], best, at);
    UnpackBlock(best, channels, to.pixels, to.Block(r, block), to.strides);
    if (at == nullptr) continue;
    const int64_t offset = to.Block(r, block) - to.data;
    UnpackBlock(at, channels, to.pixels, argmax.data_ptr<int32_t>() + offset, to.strides);
  }
}

// map[argmax] += grad for one RoI; both have the same strides.
template <typename T, typename A>
void ScatterToMaxima(const T* grad, const int32_t* argmax, ChannelStrides strides, int64_t channels,
                     int64_t bins, A* map) {
  const auto add = [&](int64_t c, int64_t bin) {
    const int64_t i = c * strides.channel + bin * strides.pixel;
    if (argmax[i] >= 0) map[argmax[i] * kChannelBlock<A> + c] += static_cast<A>(grad[i]);
  };
  if (strides.channel == 1) {
    for (int64_t bin = 0; bin < bins; ++bin) {
      for (int64_t c = 0; c < channels; ++c) add(c, bin);
    }
  } else {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t bin = 0; bin < bins; ++bin) add(c, bin);
    }
  }
}

// One block of one image of the gradient with respect to the input.
template <typename T, typename A>
void BackwardBlock(const at::Tensor& grad, const at::Tensor& argmax,
                   const std::vector<int64_t>& rois, int64_t image, int64_t block,
                   const at::Tensor& grad_input, A /*sum_type*/) {
  const Planes<T> from(grad);
  const Planes<T> to(grad_input);
  const int64_t channels = ChannelsInBlock<A>(to.channels, block);
  BlockBuffer<A> buffer;
  A* map = buffer.Reserve(to.pixels * kChannelBlock<A>);
  std::fill_n(map, to.pixels * kChannelBlock<A>, A{0});
  for (const int64_t r : rois) {
    const T* of_roi = from.Block(r, block);
    ScatterToMaxima(of_roi, argmax.data_ptr<int32_t>() + (of_roi - from.data), from.strides,
                    channels, from.pixels, map);
  }
  UnpackBlock(map, channels, to.pixels, to.Block(image, block), to.strides);
}

using TwoTensors = std::tuple<at::Tensor, at::Tensor>;

std::vector<int64_t> OutputSizes(const at::Tensor& input, const at::Tensor& rois,
                                 int64_t pooled_height, int64_t pooled_width) {
  return {rois.size(0), input.size(1), pooled_height, pooled_width};
}

// The pooled values and, if wanted, the pixel of each (int32, as the output); otherwise [0].
TwoTensors PoolOnCpu(const at::Tensor& input, const at::Tensor& rois, double spatial_scale,
                     int64_t pooled_height, int64_t pooled_width, bool with_argmax) {
  CheckRois(rois, "rois", input.size(0), spatial_scale);
  const RoiPoolOptions options = {pooled_height, pooled_width, spatial_scale};
  const at::MemoryFormat format = input.suggest_memory_format();
  const std::vector<int64_t> sizes = OutputSizes(input, rois, pooled_height, pooled_width);
  const at::Tensor from = AsPlanes(input);
  const at::Tensor output = at::empty(sizes, from.options().memory_format(format));
  at::Tensor argmax;
  if (with_argmax) {
    argmax = at::empty(sizes, output.options().dtype(at::kInt).memory_format(format));
  }
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, from.scalar_type(), "roi_pool", [&] {
    using A = typename SumType<scalar_t>::type;
    if (output.numel() == 0) return;
    const Plan plan = MakePlan<A>(from, rois.detach(), options);
    ForMapsAndBlocks(from.size(0), NumChannelBlocks<A>(from.size(1)),
                     [&](int64_t image, int64_t b) {
                       ForwardBlock<scalar_t>(from, image, b, plan, output, argmax, A{});
                     });
  });
  if (!with_argmax) argmax = at::empty({0}, output.options().dtype(at::kInt));
  return {output, argmax};
}

TwoTensors PoolOnMeta(const at::Tensor& input, const at::Tensor& rois, double,
                      int64_t pooled_height, int64_t pooled_width, bool with_argmax) {
  const std::vector<int64_t> sizes = OutputSizes(input, rois, pooled_height, pooled_width);
  const auto options = input.options().memory_format(input.suggest_memory_format());
  const at::Tensor output = at::empty(sizes, options);
  if (!with_argmax) return {output, at::empty({0}, input.options().dtype(at::kInt))};
  return {output, at::empty(sizes, options.dtype(at::kInt))};
}

std::vector<std::vector<int64_t>> RoisOfImage(const at::Tensor& rois, int64_t images) {
  const at::Tensor image = rois.select(1, 0).to(at::kLong).contiguous();
  std::vector<std::vector<int64_t>> of_image(images);
  for (int64_t r = 0; r < rois.size(0); ++r) of_image[image.data_ptr<int64_t>()[r]].push_back(r);
  return of_image;
}

at::MemoryFormat Format(bool channels_last) {
  return channels_last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
}

// The gradient with respect to an input of `sizes`. The scale tells other devices' kernels which
// pixels a RoI covers.
at::Tensor PoolBackwardOnCpu(const at::Tensor& grad, const at::Tensor& argmax,
                             const at::Tensor& rois, double /*spatial_scale*/,
                             at::IntArrayRef sizes, bool channels_last) {
  const at::Tensor from = grad.detach().contiguous(argmax.suggest_memory_format());
  const at::Tensor result = at::empty(sizes, from.options().memory_format(Format(channels_last)));
  AT_DISPATCH_FLOATING_TYPES_AND(at::kBFloat16, from.scalar_type(), "roi_pool_backward", [&] {
    using A = typename SumType<scalar_t>::type;
    if (result.numel() == 0) return;
    const auto of_image = RoisOfImage(rois, sizes[0]);
    ForMapsAndBlocks(sizes[0], NumChannelBlocks<A>(sizes[1]), [&](int64_t image, int64_t b) {
      BackwardBlock<scalar_t>(from, argmax, of_image[image], image, b, result, A{});
    });
  });
  return result;
}

at::Tensor PoolBackwardOnMeta(const at::Tensor& grad, const at::Tensor&, const at::Tensor&, double,
                              at::IntArrayRef sizes, bool channels_last) {
  return at::empty(sizes, grad.options().memory_format(Format(channels_last)));
}

TwoTensors CallPool(const at::Tensor& input, const at::Tensor& rois, const RoiPoolOptions& options,
                    bool with_argmax) {
  static const auto op = FindOperator<decltype(PoolOnCpu)>("_roi_pool");
  return op.call(input, rois, options.spatial_scale, options.pooled_height, options.pooled_width,
                 with_argmax);
}

// PoolBackwardOnCpu with sizes that may be symbols.
using PoolBackwardSignature = at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                         double, c10::SymIntArrayRef, bool);

// What the gradient needs of the input.
struct InputLayout : torch::CustomClassHolder {
  std::vector<c10::SymInt> sizes;
  bool channels_last = false;
};

// The gradient as a separate node, so that differentiating it is an error and not a silent 0.
class RoiPoolGradient : public Function<RoiPoolGradient> {
 public:
  static at::Tensor forward(AutogradContext*, const at::Tensor& grad, const at::Tensor& argmax,
                            const at::Tensor& rois, double spatial_scale,
                            const c10::intrusive_ptr<InputLayout>& layout) {
    const at::AutoDispatchBelowADInplaceOrView below;
    static const auto op = FindOperator<PoolBackwardSignature>("_roi_pool_backward");
    return op.call(grad, argmax, rois, spatial_scale, layout->sizes, layout->channels_last);
  }
  static variable_list backward(AutogradContext*, const variable_list&) {
    TORCH_CHECK(false, "the gradient of roi_pool cannot be differentiated again");
  }
};

class RoiPoolFunction : public Function<RoiPoolFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& input, const at::Tensor& rois,
                            const RoiPoolOptions& options) {
    const at::AutoDispatchBelowADInplaceOrView below;
    auto [output, argmax] = CallPool(input, rois, options, /*with_argmax=*/true);
    ctx->save_for_backward({argmax, rois});
    ctx->saved_data["spatial_scale"] = options.spatial_scale;
    auto layout = c10::make_intrusive<InputLayout>();
    layout->sizes = input.sym_sizes().vec();
    layout->channels_last = input.suggest_memory_format() == at::MemoryFormat::ChannelsLast;
    ctx->saved_data["layout"] = c10::IValue::make_capsule(std::move(layout));
    return output;
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const auto layout =
        c10::static_intrusive_pointer_cast<InputLayout>(ctx->saved_data["layout"].toCapsule());
    return {RoiPoolGradient::apply(grads[0], saved[0], saved[1],
                                   ctx->saved_data["spatial_scale"].toDouble(), layout),
            at::Tensor(), at::Tensor()};
  }
};

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineOperator(m,
                 "_roi_pool(Tensor input, Tensor rois, float spatial_scale, int pooled_height, "
                 "int pooled_width, bool with_argmax) -> (Tensor output, Tensor argmax)",
                 &PoolOnCpu, &PoolOnMeta);
  DefineOperator(m,
                 "_roi_pool_backward(Tensor grad, Tensor argmax, Tensor rois, float spatial_scale, "
                 "SymInt[] sizes, bool channels_last) -> Tensor",
                 &PoolBackwardOnCpu, &PoolBackwardOnMeta);
  DefineCompositeOperator(
      m,
      "roi_pool(Tensor input, Tensor rois, float spatial_scale, int pooled_height=7, "
      "int pooled_width=7) -> Tensor",
      [](const at::Tensor& input, const at::Tensor& rois, double spatial_scale,
         int64_t pooled_height, int64_t pooled_width) {
        return RoiPool(input, rois, {pooled_height, pooled_width, spatial_scale});
      });
}

}  // namespace

at::Tensor RoiPool(const at::Tensor& input, const at::Tensor& rois, const RoiPoolOptions& options) {
  CheckSpatialScale(options.spatial_scale);
  CheckPooledSize(options.pooled_height, options.pooled_width);
  CheckRoiInput(input, "input", rois);
  CheckRoisShape(rois, "rois");
  if (at::GradMode::is_enabled() && input.requires_grad()) {
    return RoiPoolFunction::apply(input, rois.detach(), options);
  }
  return std::get<0>(CallPool(input, rois, options, /*with_argmax=*/false));
}

}  // namespace rcnn::ops
