// The detections of each class in order of score, with the image of each and what
// it matched at COCO's ten IoU thresholds.
//
// A part of bootstrap.h. Matching is that of coco_eval.h, at all areas and the best 100
// detections of an image and class.

#ifndef RCNN_EVAL_COMPARE_RANKED_MATCHES_H_
#define RCNN_EVAL_COMPARE_RANKED_MATCHES_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "rcnn/eval/coco_options.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {

// A detection that finds an object at a threshold, or matches a crowd.
struct MatchEvent {
  uint32_t touched = 0;  // position in ClassMatches::touched
  bool finds = false;    // else it counts neither way
};

struct ClassMatches {
  // [N] image of each detection, a position in GroundTruth::images; best score
  // first, equal scores by image.
  std::vector<uint32_t> images;
  // Positions in `images` of those that touch an annotation, ascending.
  std::vector<uint32_t> touched;
  // [T] those that match, in order.
  std::vector<std::vector<MatchEvent>> events;
  // (image, objects that are not crowds), images ascend.
  std::vector<std::pair<uint32_t, uint32_t>> objects;
};

struct RankedMatches {
  std::vector<ClassMatches> classes;  // [K]
  // [I] AP on the image alone, the mean over the classes that have objects there;
  // NaN if none has.
  std::vector<double> image_ap;
};

// `truth` is normalized, scores are finite. threads: 0 for all cores.
RankedMatches RankMatches(const GroundTruth& truth, const Detections& detections, int threads);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_COMPARE_RANKED_MATCHES_H_
