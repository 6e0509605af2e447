#include "rcnn/ops/cuda/roi_pool.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <tuple>

#include "rcnn/ops/cuda/registration.h"
#include "rcnn/ops/cuda/roi_tensors.h"

namespace rcnn::ops {
namespace {

std::tuple<at::Tensor, at::Tensor> PoolOnCuda(const at::Tensor& input, const at::Tensor& rois,
                                              double spatial_scale, int64_t pooled_height,
                                              int64_t pooled_width, bool with_argmax) {
  const c10::cuda::CUDAGuard guard(input.device());
  const at::Tensor map = AsPlanes(input);
  const at::MemoryFormat format = input.suggest_memory_format();
  const at::Tensor bins = at::empty({rois.size(0), map.size(1), pooled_height, pooled_width},
                                    map.options().memory_format(format));
  const auto ints = bins.options().dtype(at::kInt);
  const at::Tensor argmax =
      with_argmax ? at::empty(bins.sizes(), ints.memory_format(format)) : at::empty({0}, ints);
  if (bins.numel() == 0) return {bins, argmax};
  const at::Tensor positions = Positions(rois, bins.scalar_type());
  DispatchElement(bins.scalar_type(), "roi_pool", [&](auto element) {
    using T = decltype(element);
    const RoiTable<T> table = MakeRoiTable<T>(map, spatial_scale, positions, {}, bins);
    const RoiPoolRule<T> rule = {with_argmax ? argmax.data_ptr<int32_t>() : nullptr};
    CheckLaunch(LaunchRoiPool(table, rule, CurrentStream()), "roi_pool");
  });
  return {bins, argmax};
}

at::Tensor PoolBackwardOnCuda(const at::Tensor& grad, const at::Tensor& argmax,
                              const at::Tensor& rois, double spatial_scale, at::IntArrayRef sizes,
                              bool channels_last) {
  const c10::cuda::CUDAGuard guard(grad.device());
  const at::Tensor bins = grad.detach().contiguous(argmax.suggest_memory_format());
  const at::Tensor map = at::empty(sizes, bins.options().memory_format(PlaneFormat(channels_last)));
  const at::Tensor positions = Positions(rois, bins.scalar_type());
  DispatchElement(bins.scalar_type(), "roi_pool_backward", [&](auto element) {
    using T = decltype(element);
    const RoiTable<T> table = MakeRoiTable<T>(map, spatial_scale, positions, {}, bins);
    const RoiPoolRule<T> rule = {argmax.data_ptr<int32_t>()};
    at::Tensor memory;
    const RoiListScratch scratch = MakeRoiListScratch(table, bins, &memory);
    CheckLaunch(LaunchRoiPoolBackward(table, rule, scratch, CurrentStream()), "roi_pool_backward");
  });
  return map;
}

TORCH_LIBRARY_IMPL(rcnn, CUDA, m) {
  m.impl("_roi_pool", &PoolOnCuda);
  m.impl("_roi_pool_backward", &PoolBackwardOnCuda);
}

}  // namespace
}  // namespace rcnn::ops
