#include "rcnn/ops/cuda/roi_align.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <vector>

#include "rcnn/ops/cuda/registration.h"
#include "rcnn/ops/cuda/roi_tensors.h"

namespace rcnn::ops {
namespace {

at::Tensor LevelsOnCuda(at::TensorList features, const at::Tensor& rois, const at::Tensor& levels,
                        at::ArrayRef<double> scales, int64_t pooled_height, int64_t pooled_width,
                        int64_t sampling_ratio, bool aligned) {
  const c10::cuda::CUDAGuard guard(rois.device());
  std::vector<at::Tensor> maps;
  for (const at::Tensor& map : features) maps.push_back(AsPlanes(map));
  const at::Tensor bins =
      at::empty({rois.size(0), maps[0].size(1), pooled_height, pooled_width},
                maps[0].options().memory_format(features[0].suggest_memory_format()));
  if (bins.numel() == 0) return bins;
  const at::Tensor positions = Positions(rois, bins.scalar_type());
  const at::Tensor indices = levels.contiguous();
  DispatchWithHalf(bins.scalar_type(), "roi_align", [&](auto element) {
    using T = decltype(element);
    const RoiTable<T> table = MakeRoiTable<T>(maps, scales, positions, indices, bins);
    const RoiAlignRule<T> rule = {{sampling_ratio, aligned}};
    CheckLaunch(LaunchRoiAlign(table, rule, CurrentStream()), "roi_align");
  });
  return bins;
}

std::vector<at::Tensor> LevelsBackwardOnCuda(const at::Tensor& grad, const at::Tensor& rois,
                                             const at::Tensor& levels, at::ArrayRef<double> scales,
                                             int64_t /*pooled_height*/, int64_t /*pooled_width*/,
                                             int64_t sampling_ratio, bool aligned,
                                             at::IntArrayRef sizes, at::IntArrayRef channels_last) {
  const c10::cuda::CUDAGuard guard(grad.device());
  // Threads of a block read neighbouring channels.
  const at::Tensor bins = grad.detach().contiguous(at::MemoryFormat::ChannelsLast);
  std::vector<at::Tensor> maps;
  for (size_t i = 0; i < channels_last.size(); ++i) {
    const auto options = bins.options().memory_format(PlaneFormat(channels_last[i] != 0));
    maps.push_back(at::empty(sizes.slice(4 * i, 4), options));
  }
  const at::Tensor positions = Positions(rois, bins.scalar_type());
  const at::Tensor indices = levels.contiguous();
  DispatchWithHalf(bins.scalar_type(), "roi_align_backward", [&](auto element) {
    using T = decltype(element);
    const RoiTable<T> table = MakeRoiTable<T>(maps, scales, positions, indices, bins);
    const RoiAlignRule<T> rule = {{sampling_ratio, aligned}};
    at::Tensor memory;
    const RoiListScratch scratch = MakeRoiListScratch(table, bins, &memory);
    CheckLaunch(LaunchRoiAlignBackward(table, rule, scratch, CurrentStream()),
                "roi_align_backward");
  });
  return maps;
}

TORCH_LIBRARY_IMPL(rcnn, CUDA, m) {
  m.impl("_roi_align_levels", &LevelsOnCuda);
  m.impl("_roi_align_levels_backward", &LevelsBackwardOnCuda);
}

}  // namespace
}  // namespace rcnn::ops
