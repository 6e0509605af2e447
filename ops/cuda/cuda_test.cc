// Which operators have a kernel for CUDA tensors, as docs/gpu.md says. Needs no GPU.

#include <ATen/core/dispatch/Dispatcher.h>
#include <gtest/gtest.h>

#include <string>

#include "rcnn/base/device_graph.h"
#include "rcnn/base/device_waits.h"
#include "rcnn/ops/finish_map.h"

namespace rcnn::ops {
namespace {

#ifdef RCNN_CUDA
constexpr bool kIsBuilt = true;
#else
constexpr bool kIsBuilt = false;
#endif

bool HasKernel(const std::string& name, const char* overload) {
  const auto op = c10::Dispatcher::singleton().findSchema({"rcnn::" + name, overload});
  EXPECT_TRUE(op.has_value()) << name;
  return op.has_value() && op->hasKernelForDispatchKey(c10::DispatchKey::CUDA);
}

TEST(CudaTest, OperatorsHaveKernelsWhereCudaIsBuilt) {
  for (const char* name : {"box_iou",
                           "box_intersection_over_area",
                           "_clip_boxes",
                           "place_anchors",
                           "match_boxes",
                           "encode_boxes",
                           "decode_boxes",
                           "_encode_boxes_backward",
                           "_decode_boxes_backward",
                           "nms",
                           "batched_nms",
                           "preprocess",
                           "preprocess_batch",
                           "_roi_align_levels",
                           "_roi_align_levels_backward",
                           "_roi_pool",
                           "_roi_pool_backward",
                           "match_batch",
                           "sample_by_counters",
                           "counted_nms",
                           "counted_batched_nms",
                           "counted_proposals",
                           "counted_detections",
                           "random_mask",
                           "_sampled_rpn_loss",
                           "_sampled_fast_rcnn_loss",
                           "_update_weights"}) {
    EXPECT_EQ(HasKernel(name, ""), kIsBuilt) << name;
  }
  EXPECT_EQ(HasKernel("proposals", "sizes"), kIsBuilt);
}

TEST(CudaTest, WaitsCanBeForbiddenWhereCudaIsBuilt) {
  EXPECT_EQ(CheckWaitsCanBeForbidden(c10::Device(c10::DeviceType::CUDA, 0)).ok(), kIsBuilt);
}

TEST(CudaTest, ConvolutionsAreFinishedWhereCudaIsBuilt) {
  EXPECT_EQ(FindMapFinisher(c10::DeviceType::CUDA) != nullptr, kIsBuilt);
}

TEST(CudaTest, GraphsAreThereWhereCudaIsBuilt) {
  EXPECT_EQ(FindDeviceGraphLibrary(c10::DeviceType::CUDA) != nullptr, kIsBuilt);
}

}  // namespace
}  // namespace rcnn::ops
