// torch.ops.rcnn: match_boxes, sample_balanced.

#include <torch/library.h>

#include <tuple>

#include "rcnn/ops/balanced_sampler.h"
#include "rcnn/ops/matcher.h"

namespace rcnn::ops {
namespace {

std::tuple<at::Tensor, at::Tensor, at::Tensor> MatchBoxesOp(
    const at::Tensor &boxes, const at::Tensor &gt_boxes, double foreground_iou,
    double background_max_iou, double background_min_iou, bool match_best_of_each_gt,
    double min_best_iou, double crowd_share, bool crowd_hides_foreground, bool inclusive,
    const c10::optional<at::Tensor> &gt_is_crowd, const c10::optional<at::Tensor> &eligible) {
  const Matches matches =
      MatchBoxes(boxes, gt_boxes,
                 {foreground_iou, background_max_iou, background_min_iou, match_best_of_each_gt,
                  min_best_iou, crowd_share, crowd_hides_foreground, inclusive},
                 gt_is_crowd, eligible);
  return {matches.labels, matches.gt_index, matches.iou};
}

// A schema supports only optional generators.
std::tuple<at::Tensor, at::Tensor> SampleBalancedOp(const at::Tensor &labels,
                                                    c10::optional<at::Generator> generator,
                                                    int64_t count, double positive_fraction) {
  TORCH_CHECK(generator.has_value(), "generator: is None; there is no default one");
  const BalancedSample sample = SampleBalanced(labels, {count, positive_fraction}, *generator);
  return {sample.positive, sample.negative};
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  m.def(
      "match_boxes(Tensor boxes, Tensor gt_boxes, *, float foreground_iou=0.7, "
      "float background_max_iou=0.3, float background_min_iou=0., "
      "bool match_best_of_each_gt=True, float min_best_iou=0., float "
      "crowd_share=0.7, "
      "bool crowd_hides_foreground=False, bool inclusive=False, Tensor? "
      "gt_is_crowd=None, "
      "Tensor? eligible=None) -> (Tensor labels, Tensor gt_index, Tensor iou)",
      &MatchBoxesOp);
  m.def(
      "sample_balanced(Tensor labels, Generator? generator, int count=256, "
      "float positive_fraction=0.5) -> (Tensor positive, Tensor negative)",
      &SampleBalancedOp);
}

}  // namespace
}  // namespace rcnn::ops
