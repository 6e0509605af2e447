// Groups detections and annotations by category and image.
//
// A cell is the unit of matching: one category on one image. Only cells with a
// detection or an annotation are listed, so that the cost for datasets with many
// categories (LVIS) depends on their contents, not on images x categories.

#ifndef RCNN_EVAL_COCO_CELLS_H_
#define RCNN_EVAL_COCO_CELLS_H_

#include <cstdint>
#include <vector>

#include "rcnn/eval/detections.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {

struct CocoCell {
  int32_t category = 0;  // positions in GroundTruth
  int32_t image = 0;
  int64_t dt_begin = 0;  // ranges of CocoCells::detections and annotations
  int64_t dt_end = 0;
  int64_t gt_begin = 0;
  int64_t gt_end = 0;
};

struct CocoCells {
  // Ordered by category, then image.
  std::vector<CocoCell> cells;
  // cells[category_begin[k] .. category_begin[k + 1]) are those of category k.
  std::vector<int64_t> category_begin;
  // Indices into Detections and GroundTruth::annotations, cell by cell, in the
  // order of the file within a cell. Unlisted ids are left out.
  std::vector<uint32_t> detections;
  std::vector<uint32_t> annotations;
};

// O(D + G + images + categories). `truth` is normalized.
CocoCells GroupByCell(const GroundTruth& truth, const Detections& detections);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_COCO_CELLS_H_
