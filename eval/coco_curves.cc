#include "rcnn/eval/coco_curves.h"

#include <algorithm>

namespace rcnn::eval {

void CategoryCurves::StartArea(int64_t a, absl::Span<const uint32_t> columns, int64_t width) {
  areas_.resize(std::max<size_t>(areas_.size(), a + 1));
  areas_[a].columns.assign(columns.begin(), columns.end());
  areas_[a].width = width;
}

void CategoryCurves::AddTable(int64_t a, int64_t m, absl::Span<const CurvePoint> points) {
  areas_[a].tables.resize(std::max<size_t>(areas_[a].tables.size(), m + 1));
  areas_[a].tables[m] = static_cast<int64_t>(points_.size());
  points_.insert(points_.end(), points.begin(), points.end());
}

void CategoryCurves::RepeatTable(int64_t a, int64_t m) {
  areas_[a].tables.resize(std::max<size_t>(areas_[a].tables.size(), m + 1));
  areas_[a].tables[m] = areas_[a].tables[m - 1];
}

}  // namespace rcnn::eval
