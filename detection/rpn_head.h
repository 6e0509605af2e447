// The two outputs of a region proposal network at every cell: objectness and box
// deltas of each anchor.
//
// A 3x3 convolution (or several) with ReLU, then two sibling 1x1 convolutions. The
// same weights serve all levels, and maps of any size.
//
// Source: Ren et al., arXiv:1506.01497v3, Sec. 3.1.

#ifndef RCNN_DETECTION_RPN_HEAD_H_
#define RCNN_DETECTION_RPN_HEAD_H_

#include <ATen/core/Tensor.h>

#include <memory>
#include <utility>
#include <vector>

#include "rcnn/detection/layers.h"
#include "rcnn/ops/proposals.h"

namespace rcnn::detection {

class PackedConvolution;

struct RpnHeadOptions {
  int64_t in_channels = 256;
  // Output channels of the 3x3 convolutions; 256 or 512 in the paper.
  int64_t channels = 256;
  int64_t num_convs = 1;
  int64_t anchors_per_cell = 9;
  // kSigmoid: A logits. kSoftmaxPair: 2 A, all of background first.
  ops::ObjectnessKind objectness = ops::ObjectnessKind::kSigmoid;
};

// Modules conv, conv2, ..., cls_score and bbox_pred, drawn from N(0, 0.01).
class RpnHead : public torch::nn::Module {
 public:
  explicit RpnHead(const RpnHeadOptions& options);

  // map [B, C, H, W] -> logits [B, A or 2 A, H, W], deltas [B, 4 A, H, W], whose
  // channel 4 a + i is component i of anchor a. After PrepareForInference a large map of one image
  // is computed in bands of rows, with the same bits.
  std::pair<at::Tensor, at::Tensor> Forward(const at::Tensor& map) const;

  // The same at some cells [M] int64, (b H + y) W + x, of a map on the CPU: logits [M, A
  // or 2 A], deltas [M, 4 A]. Differs from Forward by rounding. Only convolutions before
  // the last 3x3 one are computed everywhere. The last 3x3 and the 1x1 convolutions read
  // the original weights, even after PrepareForInference. Throws c10::Error on a cell
  // that is not in the map.
  std::pair<at::Tensor, at::Tensor> ForwardAt(const at::Tensor& map, const at::Tensor& cells) const;

 protected:
  const std::shared_ptr<Conv>& bbox_pred() const { return bbox_pred_; }

 private:
  // From the map before the last 3x3 convolution, which is `conv`.
  std::pair<at::Tensor, at::Tensor> ForwardInBands(const PackedConvolution& conv,
                                                   const at::Tensor& x) const;
  // From the map of the last 3x3 convolution, on a device: one convolution for both. Differs from
  // two by rounding.
  std::pair<at::Tensor, at::Tensor> PredictTogether(const at::Tensor& x) const;

  std::vector<std::shared_ptr<Conv>> convs_;
  std::shared_ptr<Conv> cls_score_, bbox_pred_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_RPN_HEAD_H_
