// The recall of a set of proposals, by IoU threshold and number of proposals.
//
// For each image the best N proposals are matched one to one with the objects, the
// largest IoU first; an object counts as covered at threshold t when its proposal
// has an IoU of at least t. Average recall (AR) is the mean over the thresholds.
// Classes are ignored, and so are crowds and difficult objects.
//
// Source: Ren et al., arXiv:1506.01497v3, Sec. 4.1, "Analysis of
// Recall-to-IoU", Fig. 4; Hosang et al., arXiv:1502.05082, Sec. 4 (average
// recall).
//
// Example:
//   ProposalRecallOptions options;
//   options.counts = {300, 2000};
//   ProposalRecall recall = MeasureRecall(images, options);
//   printf("%.3f\n", recall.Recall(0, 0, 0));  // at 300 proposals and IoU 0.5

#ifndef RCNN_EVAL_PROPOSAL_RECALL_H_
#define RCNN_EVAL_PROPOSAL_RECALL_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/proposals/proposal_file.h"
#include "rcnn/eval/coco_options.h"

namespace rcnn::eval {

struct ProposalRecallOptions {
  // Numbers of proposals per image, ascending, each >= 1.
  std::vector<int64_t> counts = {10, 20, 50, 100, 200, 300, 500, 1000, 2000};
  std::vector<double> iou_thresholds = CocoIouThresholds();
  // Ranges of the objects' areas.
  std::vector<AreaRange> areas = CocoAreaRanges();
  // Whether x2 and y2 of all boxes are last pixels (data::Dataset::inclusive_boxes()).
  bool inclusive_boxes = false;
  // 0: all cores.
  int threads = 0;
};

// One image.
struct RecallImage {
  // Best first, in pixels of the image.
  absl::Span<const data::Box> proposals;
  std::vector<data::Box> objects;
  // Areas of the objects, in square pixels.
  std::vector<double> areas;
};

// Shapes: A area ranges, N counts, T IoU thresholds.
struct ProposalRecall {
  ProposalRecallOptions options;
  int64_t images = 0;
  // [A]
  std::vector<int64_t> objects;
  // [A, N, T]; NaN without objects.
  std::vector<double> recall;

  double Recall(int64_t a, int64_t n, int64_t t) const;
  // The mean over the IoU thresholds.
  double AverageRecall(int64_t a, int64_t n) const;
};

// kInvalidArgument for options that are empty, unsorted or out of range.
absl::Status CheckOptions(const ProposalRecallOptions& options);

// The IoU of each object when the first `count` proposals are matched one to one,
// the largest IoU first, equal ones in order of the objects and then of the
// proposals. 0 for unmatched objects. Boxes are continuous.
std::vector<double> Coverage(absl::Span<const data::Box> proposals,
                             absl::Span<const data::Box> objects, int64_t count);

// Measures all images. Options are valid.
ProposalRecall MeasureRecall(absl::Span<const RecallImage> images,
                             const ProposalRecallOptions& options = {});

// The same for a proposal file and its dataset, which defines whether boxes are
// inclusive.
absl::StatusOr<ProposalRecall> MeasureRecall(const data::Dataset& dataset,
                                             const data::ProposalFile& proposals,
                                             const ProposalRecallOptions& options = {});

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_PROPOSAL_RECALL_H_
