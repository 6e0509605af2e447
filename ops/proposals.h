// Region proposals from the output of a region proposal network, in one routine:
// selects the best K anchors by score, decodes only those, clips them to the image,
// drops small boxes, applies NMS, and keeps the best N.
//
// Shapes:
//   B images   L levels of a feature pyramid, or 1   A anchors per cell
//   H, W cells of a level   K pre_nms_top_n   N post_nms_top_n
//
// Source: Ren et al., arXiv:1506.01497v3, Sec. 3.3; several levels as in Lin et
// al., arXiv:1612.03144, Sec. 4.1: K and suppression per level, N over all levels.
//
// Example, the paper's 300 proposals of an image:
//   ProposalOptions options;
//   options.objectness = ObjectnessKind::kSoftmaxPair;
//   options.coder.inclusive = true;
//   options.coder.exact_inverse = false;
//   const std::vector<InputSize> sizes = {{.height = 600, .width = 1000, .scale = 1.6}};
//   Proposals proposals = GenerateProposals({{logits, deltas, anchors}}, sizes, options);
//   at::Tensor pooled = RoiPool(features, proposals.rois, {.spatial_scale = 1.0 / 16});

#ifndef RCNN_OPS_PROPOSALS_H_
#define RCNN_OPS_PROPOSALS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "rcnn/ops/box_coder.h"

namespace rcnn::ops {

enum class ObjectnessKind {
  // A channels: one logit per anchor; the score is its sigmoid.
  kSigmoid,
  // 2 A channels: the background logits of all anchors, then the foreground
  // logits; the score is the softmax of the two, as in the code of 2015.
  kSoftmaxPair,
};

struct ProposalOptions {
  ObjectnessKind objectness = ObjectnessKind::kSigmoid;
  // Number of best anchors per image and level to decode, >= 1.
  int64_t pre_nms_top_n = 6000;
  // Proposals per image over all levels, >= 1.
  int64_t post_nms_top_n = 300;
  // A box is dropped when its IoU with a better one of its level is > this.
  double nms_iou_threshold = 0.7;
  // Also drops boxes at IoU == nms_iou_threshold.
  bool nms_suppress_equal = false;
  // Boxes with a shorter side than this, in pixels of the unscaled image, are
  // dropped after clipping. >= 0.
  double min_side_px = 16;
  // Small boxes do not count among the pre_nms_top_n, as in the code of 2015; the
  // next best anchors take their places.
  bool drop_small_before_top_n = false;
  // How deltas are decoded. `coder.inclusive` applies to the other steps too: sides
  // and IoU have the "+1", and boxes are clipped to [0, width - 1] instead of [0,
  // width].
  BoxCoderOptions coder;
};

// The network's output for one level of all images. Logits and deltas may be
// float32, float64, bfloat16 or float16; all is computed in float32.
struct ProposalLevel {
  at::Tensor logits;   // [B, A or 2 A, H, W], see ObjectnessKind
  at::Tensor deltas;   // [B, 4 A, H, W], channel 4 a + i is component i of anchor a
  at::Tensor anchors;  // [H W A, 4] float32, cell by cell, in pixels of the scaled image
};

// The size of one image of a batch. Host data, so that reading it never waits for a device.
struct InputSize {
  // Of the scaled image without padding, in pixels, >= 1.
  float height = 0;
  float width = 0;
  // The factor that it was scaled by, > 0.
  float scale = 1;
};

// R <= B N proposals, image by image, best first.
struct Proposals {
  at::Tensor rois;    // [R, 5] float32, (image index, x1, y1, x2, y2)
  at::Tensor scores;  // [R] float32, probabilities
  at::Tensor counts;  // [B] int64, proposals of each image
};

// Returns the proposals of all images.
//
//   levels  L >= 1, equal B and device
//   sizes   B, one per image; messages call them image_info, as the schema does
// Of equal logits the anchor of lower index comes first, and the lower level. The
// order is that of the logits (for pairs, of their difference in float32), so
// scores that saturate at 1 keep their order. Images and levels are distributed over
// LibTorch's threads. No gradient flows. Meta tensors give the most rows there can be.
// torch.ops.rcnn.proposals takes the sizes, its argument image_info, as a flat list of
// 3 B numbers, or as a tensor [B, 3], which it copies to the CPU: that waits for a device.
// Throws c10::Error naming the argument, its level and, where a value is at
// fault, image and anchor: wrong shape, dtype or device, options out of range, logits
// that are not finite, deltas among those decoded that are not finite or decode to
// such. Kernels of other devices do not check values: there NaN gives NaN proposals.
// O(H W A) time to find the best, then O(K) and Nms (nms.h).
Proposals GenerateProposals(const std::vector<ProposalLevel>& levels,
                            const std::vector<InputSize>& sizes, const ProposalOptions& options);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_PROPOSALS_H_
