// Matches the detections of one category on one image with its annotations, as
// COCO defines it.
//
// A part of coco_eval.h, separate for testing. For every area range and IoU
// threshold, each detection, best first, takes the untaken annotation with the
// highest IoU, the later one of equals. Ignored annotations (crowds, and areas
// outside the range) are taken only if no other matches. A crowd can be taken any
// number of times.
//
// Source: cocoapi PythonAPI/pycocotools/cocoeval.py, evaluateImg; common/maskApi.c, bbIou.

#ifndef RCNN_EVAL_COCO_MATCHING_H_
#define RCNN_EVAL_COCO_MATCHING_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "rcnn/eval/coco_options.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {

// Intersection over union; with a crowd, over the detection's area. 0 when the
// two do not overlap.
double CocoIou(const XywhBox& detection, const XywhBox& annotation, bool crowd);

// The result of a detection at one area range and IoU threshold.
enum MatchCode : uint8_t {
  // No match: a false positive if its area is in the range, otherwise ignored.
  kNoMatch = 0,
  kTruePositive = 1,
  // Matched with an ignored annotation: counts neither way.
  kIgnoredMatch = 2,
};

// Whether an annotation is ignored in an area range.
inline bool IsIgnored(const Annotation& annotation, const AreaRange& range) {
  return annotation.crowd || annotation.area < range.low || annotation.area > range.high;
}

class CellMatcher {
 public:
  // The options must outlive the matcher.
  explicit CellMatcher(const CocoEvalOptions& options);

  // D boxes, best score first; G annotations in the order of the file.
  void Match(absl::Span<const XywhBox> boxes, absl::Span<const Annotation* const> annotations);

  // From the last Match: the detections that reach the lowest threshold with any
  // annotation, ascending. All others have kNoMatch everywhere.
  absl::Span<const int64_t> touched() const { return touched_; }

  // [touched, A, T] of MatchCode.
  absl::Span<const uint8_t> codes() const { return codes_; }

 private:
  struct Candidate {
    int64_t annotation;
    double iou;
  };

  void FindCandidates(absl::Span<const XywhBox> boxes,
                      absl::Span<const Annotation* const> annotations);
  void MatchArea(int64_t a, absl::Span<const Annotation* const> annotations);
  int64_t BestCandidate(size_t touched, double threshold,
                        absl::Span<const Annotation* const> annotations) const;

  const CocoEvalOptions& options_;
  std::vector<double> thresholds_;  // at most 1 - 1e-10
  double lowest_threshold_ = 0;
  std::vector<int64_t> touched_;
  std::vector<uint8_t> codes_;
  std::vector<Candidate> candidates_;
  std::vector<size_t> candidates_begin_;  // of touched detection i: [i], [i + 1]
  std::vector<uint8_t> ignored_;          // [G], in the present area range
  std::vector<uint8_t> taken_;            // [G], at the present threshold
};

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_COCO_MATCHING_H_
