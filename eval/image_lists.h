// Detections and annotations by image, all classes together.
//
// For analyses of whole images: errors, confusion, suspected labels. coco_cells.h
// groups by class and image, like COCO's matching.
//
// Example:
//   const ImageLists lists = GroupByImage(truth, detections, /*threads=*/0);
//   for (uint32_t d : lists.DetectionsAt(i)) Use(detections.scores[d]);

#ifndef RCNN_EVAL_IMAGE_LISTS_H_
#define RCNN_EVAL_IMAGE_LISTS_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {

// Items of unlisted images or classes are in no list.
struct ImageLists {
  // Indices into Detections, image by image, best score first, equal scores in
  // the order of the file; and into GroundTruth::annotations, in that order.
  std::vector<uint32_t> detections;
  std::vector<uint32_t> annotations;
  // [images + 1]: image i has the items begin[i] .. begin[i + 1].
  std::vector<uint32_t> detections_begin;
  std::vector<uint32_t> annotations_begin;
  // Positions in GroundTruth::categories of every detection and annotation, -1
  // if its class is not listed.
  std::vector<int32_t> detection_classes;
  std::vector<int32_t> annotation_classes;

  int64_t images() const { return static_cast<int64_t>(detections_begin.size()) - 1; }
  absl::Span<const uint32_t> DetectionsAt(int64_t i) const {
    return absl::MakeConstSpan(detections)
        .subspan(detections_begin[i], detections_begin[i + 1] - detections_begin[i]);
  }
  absl::Span<const uint32_t> AnnotationsAt(int64_t i) const {
    return absl::MakeConstSpan(annotations)
        .subspan(annotations_begin[i], annotations_begin[i + 1] - annotations_begin[i]);
  }
};

// `truth` is normalized; fewer than 2^32 of each. threads: 0 for all cores.
// O(D log D + G + images).
ImageLists GroupByImage(const GroundTruth& truth, const Detections& detections, int threads = 0);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_IMAGE_LISTS_H_
