// Precision and score of one category at every recall, without repetition.
//
// COCO's arrays hold a number for each of 101 recalls at every IoU threshold,
// area range and detection limit: 16 KB per category and limit, mostly repeated
// values when a category has few objects. Here recalls that need the same number
// of hits share a column, and a limit that removes no detection shares the
// previous limit's table. 5,000 categories take tens of megabytes instead of
// gigabytes.
//
//   T  IoU thresholds     R  recall thresholds     A  area ranges
//   M  limits (max_detections), ascending          C  columns of an area range

#ifndef RCNN_EVAL_COCO_CURVES_H_
#define RCNN_EVAL_COCO_CURVES_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace rcnn::eval {

// -1 where the category has no annotation in the area range.
struct CurvePoint {
  double precision = -1;
  double score = -1;  // of the detection that reaches the recall
};

class CategoryCurves {
 public:
  CategoryCurves() = default;

  // Sets the columns of area range a. Must precede its tables.
  //   columns  [R], each < width: the column of a recall
  void StartArea(int64_t a, absl::Span<const uint32_t> columns, int64_t width);

  // points: [T, C].
  void AddTable(int64_t a, int64_t m, absl::Span<const CurvePoint> points);

  // Limit m >= 1 shares the table of m - 1.
  void RepeatTable(int64_t a, int64_t m);

  // The points of IoU threshold t, by column, and the columns [R]; null where there
  // are none.
  struct Row {
    const CurvePoint* points = nullptr;
    const uint32_t* columns = nullptr;
  };
  Row RowAt(int64_t t, int64_t a, int64_t m) const {
    if (a >= static_cast<int64_t>(areas_.size())) return {};
    const Area& area = areas_[a];
    if (m >= static_cast<int64_t>(area.tables.size())) return {};
    return {points_.data() + area.tables[m] + t * area.width, area.columns.data()};
  }

  CurvePoint At(int64_t t, int64_t r, int64_t a, int64_t m) const {
    const Row row = RowAt(t, a, m);
    return row.points == nullptr ? CurvePoint() : row.points[row.columns[r]];
  }

 private:
  struct Area {
    std::vector<uint32_t> columns;  // [R]
    int64_t width = 0;
    std::vector<int64_t> tables;  // [M] where each begins in points_
  };

  std::vector<Area> areas_;  // up to the last that has annotations
  std::vector<CurvePoint> points_;
};

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_COCO_CURVES_H_
