// torchvision's compiled operators, called from C++ in the same process, as a
// peer to compare results and speed with. For tests and benchmarks only.
//
// Python's torchvision package holds a library `_C*.so` that registers its
// operators with LibTorch's dispatcher when it is loaded; no Python is needed.
// It is looked for at $TORCHVISION_C_SO, then where Debian's
// python3-torchvision installs it.
//
// Example:
//   TEST(NmsTest, EqualsTorchvision) {
//     RCNN_SKIP_WITHOUT_TORCHVISION();
//     EXPECT_TRUE(at::equal(Nms(boxes, scores, {.iou_threshold = 0.7}),
//                           TorchvisionNms(boxes, scores, 0.7)));
//   }

#ifndef RCNN_OPS_TESTING_TORCHVISION_H_
#define RCNN_OPS_TESTING_TORCHVISION_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <tuple>

#include "absl/status/status.h"

// Skips the enclosing GoogleTest test, with a reason, if torchvision cannot be
// loaded. Programs that are not tests call LoadTorchvision().
#define RCNN_SKIP_WITHOUT_TORCHVISION()                                          \
  if (const absl::Status& rcnn_loaded = ::rcnn::ops::testing::LoadTorchvision(); \
      !rcnn_loaded.ok())                                                         \
  GTEST_SKIP() << rcnn_loaded.message()

namespace rcnn::ops::testing {

// Loads torchvision's operators; the first call does the work and the others
// return its result. NotFound when it is not installed, FailedPrecondition when
// it does not fit this process's LibTorch. The functions below need OK.
const absl::Status& LoadTorchvision();

// torchvision::nms. boxes [N, 4], scores [N] -> kept [K] int64, best first.
at::Tensor TorchvisionNms(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold);

// Arguments that torchvision's RoI operators share. RoIPool has neither a
// sampling ratio nor alignment and ignores them.
struct TorchvisionRoiOptions {
  double spatial_scale = 1.0;
  int64_t pooled_height = 7;
  int64_t pooled_width = 7;
  int64_t sampling_ratio = -1;  // <= 0: ceil(RoI size / pooled size) per axis
  bool aligned = false;
};

// torchvision::roi_align. input [B, C, H, W], rois [R, 5] (image, x1, y1, x2, y2)
// -> [R, C, pooled_height, pooled_width]. Differentiable.
at::Tensor TorchvisionRoiAlign(const at::Tensor& input, const at::Tensor& rois,
                               const TorchvisionRoiOptions& options);

// torchvision::_roi_align_backward: the gradient with respect to an input of
// `input_sizes` [B, C, H, W].
at::Tensor TorchvisionRoiAlignBackward(const at::Tensor& grad, const at::Tensor& rois,
                                       const TorchvisionRoiOptions& options,
                                       at::IntArrayRef input_sizes);

// torchvision::roi_pool. Returns the output and the int32 argmax, both
// [R, C, pooled_height, pooled_width]. Differentiable.
std::tuple<at::Tensor, at::Tensor> TorchvisionRoiPool(const at::Tensor& input,
                                                      const at::Tensor& rois,
                                                      const TorchvisionRoiOptions& options);

// torchvision::_roi_pool_backward, as TorchvisionRoiAlignBackward.
at::Tensor TorchvisionRoiPoolBackward(const at::Tensor& grad, const at::Tensor& rois,
                                      const at::Tensor& argmax,
                                      const TorchvisionRoiOptions& options,
                                      at::IntArrayRef input_sizes);

}  // namespace rcnn::ops::testing

#endif  // RCNN_OPS_TESTING_TORCHVISION_H_
