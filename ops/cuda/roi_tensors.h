// What the registrations of RoI operators share: tensors as a RoiTable, and their element types.

#ifndef RCNN_OPS_CUDA_ROI_TENSORS_H_
#define RCNN_OPS_CUDA_ROI_TENSORS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "rcnn/ops/cuda/registration.h"
#include "rcnn/ops/kernels/element_types.h"
#include "rcnn/ops/kernels/roi_lists.h"
#include "rcnn/ops/kernels/roi_table.h"

namespace rcnn::ops {

// The dtype of sums of elements of `dtype`.
inline at::ScalarType SumDtype(at::ScalarType dtype) {
  return dtype == at::kDouble ? at::kDouble : at::kFloat;
}

// The RoIs in the dtype of the sums.
inline at::Tensor Positions(const at::Tensor& rois, at::ScalarType dtype) {
  return rois.detach().to(SumDtype(dtype)).contiguous();
}

// Calls body(T{}) with the kernels' type T for `dtype`. Throws c10::Error naming `op` on another.
template <typename Body>
void DispatchElement(at::ScalarType dtype, const char* op, const Body& body) {
  switch (dtype) {
    case at::kFloat:
      return body(float{});
    case at::kDouble:
      return body(double{});
    case at::kBFloat16:
      return body(BFloat16Bits{});
    default:
      TORCH_CHECK(false, op, ": has no kernel for ", dtype);
  }
}

// As DispatchElement, and float16, which not all kernels have.
template <typename Body>
void DispatchWithHalf(at::ScalarType dtype, const char* op, const Body& body) {
  if (dtype == at::kHalf) return body(Float16Bits{});
  DispatchElement(dtype, op, body);
}

// Returns `tensor` as contiguous or channels-last; without a copy if it already is.
inline at::Tensor AsPlanes(const at::Tensor& tensor) {
  return tensor.detach().contiguous(tensor.suggest_memory_format());
}

inline at::MemoryFormat PlaneFormat(bool channels_last) {
  return channels_last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
}

// The strides of a contiguous or channels-last tensor [N, C, H, W]. Those of dimensions of size 1
// are arbitrary in a tensor; here they are the format's.
inline MapStrides PlaneStrides(const at::Tensor& tensor) {
  const int64_t channels = tensor.size(1), height = tensor.size(2), width = tensor.size(3);
  const int64_t image = channels * height * width;
  if (tensor.is_contiguous()) return {image, height * width, width, 1};
  return {image, 1, width * channels, channels};
}

// `maps` and `bins` are contiguous or channels-last, `positions` is the result of Positions. All
// must outlive the launch. Without `levels` all RoIs read the first map.
template <typename T>
RoiTable<T> MakeRoiTable(at::TensorList maps, at::ArrayRef<double> scales,
                         const at::Tensor& positions, const at::Tensor& levels,
                         const at::Tensor& bins) {
  TORCH_CHECK(static_cast<int64_t>(maps.size()) <= kMaxRoiLevels, "features: expected at most ",
              kMaxRoiLevels, " maps on this device, got ", maps.size());
  RoiTable<T> table{};
  for (size_t i = 0; i < maps.size(); ++i) {
    table.levels[i] = {static_cast<T*>(maps[i].data_ptr()), maps[i].size(2), maps[i].size(3),
                       PlaneStrides(maps[i]), scales[i]};
  }
  table.num_levels = static_cast<int64_t>(maps.size());
  table.images = maps[0].size(0);
  table.channels = maps[0].size(1);
  table.num_rois = positions.size(0);
  table.rois = positions.data_ptr<typename RoiTable<T>::A>();
  table.roi_levels = levels.defined() ? levels.data_ptr<int64_t>() : nullptr;
  table.pooled_height = bins.size(2);
  table.pooled_width = bins.size(3);
  table.bins = static_cast<T*>(bins.data_ptr());
  table.bin_strides = PlaneStrides(bins);
  return table;
}

// Scratch for the lists of RoIs of the maps of `table`; `memory` must outlive the launch.
template <typename T>
RoiListScratch MakeRoiListScratch(const RoiTable<T>& table, const at::Tensor& like,
                                  at::Tensor* memory) {
  TORCH_CHECK(table.num_rois < INT32_MAX, "rois: expected fewer than 2^31, got ", table.num_rois);
  RoiListScratch scratch{};
  Workspace workspace;
  PlanRoiLists(table, workspace, &scratch);
  *memory = workspace.Allocate(like);
  return scratch;
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CUDA_ROI_TENSORS_H_
