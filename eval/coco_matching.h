// Matches detections with annotations, as COCO defines it.
//
// A part of coco_eval.h, separate for testing. For every area range and IoU
// threshold, each detection, best first, takes the untaken annotation with the
// highest IoU, the later one of equals. Ignored annotations (crowds, and areas
// outside the range) are taken only if no other matches. A crowd can be taken any
// number of times.
//
// GreedyMatcher takes detections one by one, with images in any order; CellMatcher
// takes those of one category on one image.
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
  return annotation.crowd || annotation.ignored || annotation.area < range.low ||
         annotation.area > range.high;
}

// Matches detections one by one, at all thresholds at once.
//
// Sets of IoU thresholds are bits of 64-bit words: threshold t is bit t % 64 of
// word t / 64. W words hold all T thresholds.
class GreedyMatcher {
 public:
  // The options must outlive the matcher.
  explicit GreedyMatcher(const CocoEvalOptions& options);

  // Forgets all matches; `annotations` are those of one category, of any images.
  void Start(absl::Span<const Annotation* const> annotations);

  // Matches a detection with annotations first, first + 1, ...
  //   overlaps  its IoU with each of them
  // Those of one image must come in descending order of score. Returns false if
  // none of the IoUs reaches the lowest threshold.
  bool Match(int64_t first, absl::Span<const double> overlaps);

  // Of the last Match that was true, [A, W]: the thresholds at which the detection
  // is a true positive, and matched with an ignored annotation.
  absl::Span<const uint64_t> true_positives() const { return true_positives_; }
  absl::Span<const uint64_t> ignored_matches() const { return ignored_matches_; }

  int64_t W() const { return words_; }

 private:
  struct Candidate {
    int64_t annotation;
    double iou;
  };

  void MatchArea(int64_t a, int64_t w);
  void MatchAreaInOrder(int64_t a, int64_t t);
  // Bits of the thresholds of word w that an IoU reaches.
  uint64_t Reached(double iou, int64_t w) const;
  uint64_t& Taken(int64_t annotation, int64_t a, int64_t w) {
    return taken_[(annotation * areas_ + a) * words_ + w];
  }
  // Records a match at the thresholds of `bits`.
  void Take(int64_t annotation, int64_t a, int64_t w, uint64_t bits);

  const CocoEvalOptions& options_;
  std::vector<double> thresholds_;  // at most 1 - 1e-10
  double lowest_threshold_ = 0;
  const int64_t areas_;
  const int64_t words_;
  absl::Span<const Annotation* const> annotations_;
  std::vector<uint8_t> ignored_;  // [G, A]
  std::vector<uint64_t> taken_;   // [G, A, W]
  std::vector<Candidate> candidates_;
  std::vector<uint64_t> true_positives_;
  std::vector<uint64_t> ignored_matches_;
};

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
  const CocoEvalOptions& options_;
  GreedyMatcher matcher_;
  std::vector<double> overlaps_;
  std::vector<int64_t> touched_;
  std::vector<uint8_t> codes_;
};

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_COCO_MATCHING_H_
