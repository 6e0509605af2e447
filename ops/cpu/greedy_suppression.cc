// The idea: a candidate is kept unless it overlaps an already kept box. Nearly all pairs are far
// apart, so only the kept boxes near the candidate are tested, sixteen at a time.
//
//   IoU = inter / (area + area_c - inter) > t
//
// 1. Near. IoU > t needs centres at most (1 - t) / (2 t) * w apart along each axis, w being the
//    width of either box. The boxes also touch: the distance is below (w + w') / 2. Grid::Near
//    takes the smaller bound for the candidate's w and the longest w', and widens it by the
//    rounding of the IoU (kRoundingSlack) and of the coordinates (slack_). Kept boxes lie in the
//    cell of their centre.
// 2. Maybe. Without a division: inter >= t * union as rounded. Rounding is monotonic, so this never
//    rejects an overlap that the division would find; at equality it may accept one too many.
// 3. Certain. The division decides, as in torchvision, so the results are equal index by index.
//
// Invariants:
//   - Candidates come best first; positions are returned ascending. A box is added once, after
//     the comparison with all boxes before it.
//   - Columns beyond the last box have area NaN, for which no comparison holds, so blocks are
//     always tested whole.
//   - Every candidate has a place in the grid from the start: the capacity of a cell is the number
//     of candidates with their centre in it, so adding a box never moves another.
//   - If areas are near the denormals, extents overflow, or even an IoU of 0 suppresses, distance
//     bounds nothing: the grid is not usable, and a candidate is compared with all kept boxes.
//     Below kSmallThreshold the first bound is not used: all boxes that may touch are tested.
//
// Why it is fast: O(N k) for k kept boxes near a candidate instead of O(N K) for all K kept boxes.
// A visit to a cell costs as much as kCellCost tests, so the grid is used only where it saves more
// than that, and not before kFewKept boxes are kept. Measured in nms_benchmark.cc.
//
// Source: the suppression is that of Girshick, arXiv:1504.08083, Sec. 3; the grid is rcnn's own.

#include "rcnn/ops/cpu/greedy_suppression.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

#include "rcnn/base/target_clones.h"
#include "rcnn/ops/kernels/suppression.h"

namespace rcnn::ops {
namespace {

constexpr int64_t kLanes = 16;
// Number of blocks tested between two checks of the result.
constexpr int64_t kChunkBlocks = 4;
// With fewer kept boxes than this, comparing with all of them is faster than a
// grid.
constexpr int64_t kFewKept = 512;
constexpr double kBoxesPerCell = 8;
// A visit to a cell costs as much as testing this many boxes.
constexpr int64_t kCellCost = 32;
// Below this threshold the first bound on the distance is hardly smaller than that of touching.
constexpr double kSmallThreshold = 0.05;
// The rounded IoU exceeds the true one by less than 2e-6 of it, unless areas near the denormals
// are at play; this widens the search accordingly, as a fraction of the width.
constexpr double kRoundingSlack = 3e-5;
constexpr double kSmallestSafeArea = 1e-30;

template <typename T>
struct Box {
  T x1, y1, x2, y2, area;
};

template <typename T>
RCNN_LOOP Box<T> LoadBox(const T* corners, T extra) {
  const T width = corners[2] - corners[0] + extra;
  const T height = corners[3] - corners[1] + extra;
  return {corners[0], corners[1], corners[2], corners[3], width * height};
}

// Boxes as columns. Unused places have area NaN, so that no comparison holds. The last block may be
// read in full.
template <typename T>
struct Columns {
  explicit Columns(int64_t capacity)
      : x1(capacity + kLanes),
        y1(capacity + kLanes),
        x2(capacity + kLanes),
        y2(capacity + kLanes),
        area(capacity + kLanes, std::numeric_limits<T>::quiet_NaN()) {}

  void Put(int64_t at, const Box<T>& box) {
    x1[at] = box.x1;
    y1[at] = box.y1;
    x2[at] = box.x2;
    y2[at] = box.y2;
    area[at] = box.area;
  }

  Box<T> Get(int64_t at) const { return {x1[at], y1[at], x2[at], y2[at], area[at]}; }

  std::vector<T> x1, y1, x2, y2, area;
};

// The number of elements of `blocks` blocks, in a form that tells the compiler that it is a
// multiple of whole vectors.
RCNN_LOOP uint64_t Whole(int64_t blocks) {
  return static_cast<uint64_t>(blocks * kLanes) & ~static_cast<uint64_t>(kLanes - 1);
}

template <typename T>
RCNN_LOOP T Lower(T a, T b) {
  return a < b ? a : b;
}
template <typename T>
RCNN_LOOP T Higher(T a, T b) {
  return a > b ? a : b;
}

// Compares two boxes: they overlap if IoU > threshold, a value of type T.
template <typename T>
struct Comparison {
  using Mask = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;

  T threshold;
  T extra;  // added to widths and heights: 1 for inclusive boxes

  // Whether the candidate may overlap a box of `blocks` blocks from `begin`; false is certain. If
  // the boxes are apart in y alone the intersection is negative, which serves as well as zero.
  RCNN_LOOP bool Maybe(const Columns<T>& kept, int64_t begin, int64_t blocks,
                       const Box<T>& c) const {
    const T* x1 = kept.x1.data() + begin;
    const T* y1 = kept.y1.data() + begin;
    const T* x2 = kept.x2.data() + begin;
    const T* y2 = kept.y2.data() + begin;
    const T* area = kept.area.data() + begin;
    Mask any = 0;
    const uint64_t size = Whole(blocks);
    for (uint64_t i = 0; i < size; ++i) {
      const T width = Higher(Lower(x2[i], c.x2) - Higher(x1[i], c.x1) + extra, T{0});
      const T height = Lower(y2[i], c.y2) - Higher(y1[i], c.y1) + extra;
      const T inter = width * height;
      any |= inter >= threshold * (area[i] + c.area - inter);
    }
    return any != 0;
  }

  // The exact decision.
  RCNN_LOOP bool Certain(const Columns<T>& kept, int64_t begin, int64_t blocks,
                         const Box<T>& c) const {
    const T* x1 = kept.x1.data() + begin;
    const T* y1 = kept.y1.data() + begin;
    const T* x2 = kept.x2.data() + begin;
    const T* y2 = kept.y2.data() + begin;
    const T* area = kept.area.data() + begin;
    Mask any = 0;
    const uint64_t size = Whole(blocks);
    for (uint64_t i = 0; i < size; ++i) {
      const T width = Higher(Lower(x2[i], c.x2) - Higher(x1[i], c.x1) + extra, T{0});
      const T height = Higher(Lower(y2[i], c.y2) - Higher(y1[i], c.y1) + extra, T{0});
      const T inter = width * height;
      any |= inter / (area[i] + c.area - inter) > threshold;
    }
    return any != 0;
  }

  // Whether the candidate overlaps one of kept[begin, begin + count), or one of the kept boxes that
  // follow in the last block, which is just as conclusive.
  RCNN_LOOP bool Any(const Columns<T>& kept, int64_t begin, int64_t count, const Box<T>& c) const {
    int64_t blocks = (count + kLanes - 1) / kLanes;
    while (blocks > 0) {
      const int64_t chunk = std::min(blocks, kChunkBlocks);
      if ((threshold < 0 || Maybe(kept, begin, chunk, c)) && Certain(kept, begin, chunk, c)) {
        return true;
      }
      begin += chunk * kLanes;
      blocks -= chunk;
    }
    return false;
  }
};

struct Axis {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  double longest_side = 0;
  double inverse_cell = 0;
  int64_t cells = 1;

  double Extent() const { return high - low; }
  void Cover(double centre, double side) {
    low = std::min(low, centre);
    high = std::max(high, centre);
    longest_side = std::max(longest_side, side);
  }
  void Divide(double cell) {
    if (!(cell > 0)) return;
    inverse_cell = 1 / cell;
    cells = Cell(high) + 1;
  }
  RCNN_LOOP int64_t Cell(double centre) const {
    return static_cast<int64_t>((centre - low) * inverse_cell);
  }
  RCNN_LOOP int64_t ClampedCell(double centre) const {
    return Cell(Lower(Higher(centre, low), high));
  }
};

struct Range {
  int64_t first, last;
  RCNN_LOOP int64_t size() const { return last - first + 1; }
};

// Kept boxes by the cell of their centre. Every candidate has its place from the start: a cell is a
// slice of the columns with room for all candidates in it.
template <typename T>
class Grid {
 public:
  // Empty, and not usable(), if the distance between boxes does not bound their overlap.
  Grid(const T* boxes, int64_t count, const Comparison<T>& compare)
      : compare_(compare), kept_(0), reach_(ReachPerSide(compare.threshold)) {
    if (compare.threshold < 0 || !Measure(boxes, count)) return;
    Divide(count);
    AllotCells(boxes, count);
    kept_ = Columns<T>(count);
    usable_ = true;
  }

  bool usable() const { return usable_; }

  RCNN_LOOP Range NearColumns(const Box<T>& c) const { return Near(x_, c.x1, c.x2); }
  RCNN_LOOP Range NearRows(const Box<T>& c) const { return Near(y_, c.y1, c.y2); }

  RCNN_LOOP bool OverlapsAny(const Range& columns, const Range& rows, const Box<T>& c) const {
    if (OverlapsInCell(CellIndex(c), c)) return true;
    for (int64_t row = rows.first; row <= rows.last; ++row) {
      for (int64_t column = columns.first; column <= columns.last; ++column) {
        if (OverlapsInCell(row * x_.cells + column, c)) return true;
      }
    }
    return false;
  }

  void Add(const Box<T>& box) {
    const int64_t cell = CellIndex(box);
    kept_.Put(begin_[cell] + filled_[cell]++, box);
  }

 private:
  // Centres of boxes with IoU > threshold are at most this many widths apart.
  static double ReachPerSide(double threshold) {
    if (threshold < kSmallThreshold) return std::numeric_limits<double>::infinity();
    return (1 - threshold) / (2 * threshold) * (1 + kRoundingSlack) + kRoundingSlack;
  }

  static RCNN_LOOP double Centre(T low, T high) {
    return 0.5 * static_cast<double>(low) + 0.5 * static_cast<double>(high);
  }

  RCNN_LOOP int64_t CellIndex(const Box<T>& box) const {
    return y_.Cell(Centre(box.y1, box.y2)) * x_.cells + x_.Cell(Centre(box.x1, box.x2));
  }

  RCNN_LOOP bool OverlapsInCell(int64_t cell, const Box<T>& c) const {
    return compare_.Any(kept_, begin_[cell], filled_[cell], c);
  }

  RCNN_LOOP Range Near(const Axis& axis, T low, T high) const {
    const double side = static_cast<double>(high) - static_cast<double>(low) + compare_.extra;
    const double touching = 0.5 * (side + axis.longest_side) * (1 + kRoundingSlack);
    const double reach = Lower(reach_ * side, touching) + slack_;
    const double centre = Centre(low, high);
    return {axis.ClampedCell(centre - reach), axis.ClampedCell(centre + reach)};
  }

  bool Measure(const T* boxes, int64_t count) {
    bool safe = true;
    for (int64_t i = 0; i < count; ++i) {
      const Box<T> box = LoadBox(boxes + 4 * i, compare_.extra);
      x_.Cover(Centre(box.x1, box.x2), static_cast<double>(box.x2) - box.x1 + compare_.extra);
      y_.Cover(Centre(box.y1, box.y2), static_cast<double>(box.y2) - box.y1 + compare_.extra);
      safe &= box.area == 0 || box.area >= kSmallestSafeArea;
    }
    const double farthest = std::max(std::max(std::abs(x_.low), std::abs(x_.high)),
                                     std::max(std::abs(y_.low), std::abs(y_.high)));
    slack_ = 4 * std::numeric_limits<double>::epsilon() * farthest;
    return safe && std::isfinite(x_.Extent() + x_.longest_side) &&
           std::isfinite(y_.Extent() + y_.longest_side);
  }

  void Divide(int64_t count) {
    const double share = kBoxesPerCell / static_cast<double>(count);
    const double cell = std::max(std::sqrt(x_.Extent() * share) * std::sqrt(y_.Extent()),
                                 std::max(x_.Extent(), y_.Extent()) * share);
    x_.Divide(cell);
    y_.Divide(cell);
  }

  void AllotCells(const T* boxes, int64_t count) {
    begin_.assign(x_.cells * y_.cells, 0);
    filled_.assign(x_.cells * y_.cells, 0);
    for (int64_t i = 0; i < count; ++i) ++begin_[CellIndex(LoadBox(boxes + 4 * i, compare_.extra))];
    int64_t next = 0;
    for (int64_t& begin : begin_) next += std::exchange(begin, next);
  }

  Comparison<T> compare_;
  Columns<T> kept_;
  double reach_;
  double slack_ = 0;
  bool usable_ = false;
  Axis x_, y_;
  std::vector<int64_t> begin_;   // per cell
  std::vector<int64_t> filled_;  // per cell
};

template <typename T>
class KeptBoxes {
 public:
  KeptBoxes(const T* boxes, int64_t count, int64_t max_keep, const Comparison<T>& compare)
      : boxes_(boxes), count_(count), compare_(compare), kept_(std::min(count, max_keep)) {}

  RCNN_LOOP bool OverlapsAny(const Box<T>& c) const {
    if (grid_.has_value() && grid_->usable()) {
      const Range columns = grid_->NearColumns(c);
      const Range rows = grid_->NearRows(c);
      if (columns.size() * rows.size() * kCellCost < size_) {
        return grid_->OverlapsAny(columns, rows, c);
      }
    }
    return compare_.Any(kept_, 0, size_, c);
  }

  void Add(const Box<T>& box) {
    kept_.Put(size_++, box);
    if (grid_.has_value()) {
      if (grid_->usable()) grid_->Add(box);
    } else if (size_ == kFewKept) {
      FileInGrid();
    }
  }

 private:
  void FileInGrid() {
    grid_.emplace(boxes_, count_, compare_);
    if (!grid_->usable()) return;
    for (int64_t i = 0; i < size_; ++i) grid_->Add(kept_.Get(i));
  }

  const T* boxes_;
  int64_t count_;
  Comparison<T> compare_;
  Columns<T> kept_;
  int64_t size_ = 0;
  std::optional<Grid<T>> grid_;  // once there are many
};

template <typename T>
RCNN_LOOP std::vector<int64_t> Suppress(const T* boxes, int64_t count, const NmsOptions& options) {
  const Comparison<T> compare{LargestAllowed<T>(options.iou_threshold, options.suppress_equal),
                              options.inclusive ? T{1} : T{0}};
  KeptBoxes<T> kept(boxes, count, options.max_keep, compare);
  std::vector<int64_t> positions;
  for (int64_t i = 0; i < count && static_cast<int64_t>(positions.size()) < options.max_keep; ++i) {
    const Box<T> candidate = LoadBox(boxes + 4 * i, compare.extra);
    if (kept.OverlapsAny(candidate)) continue;
    kept.Add(candidate);
    positions.push_back(i);
  }
  return positions;
}

}  // namespace

RCNN_TARGET_CLONES(std::vector<int64_t>, SuppressGreedily, Suppress,
                   (const float* boxes, int64_t count, const NmsOptions& options),
                   (boxes, count, options));
RCNN_TARGET_CLONES(std::vector<int64_t>, SuppressGreedily, Suppress,
                   (const double* boxes, int64_t count, const NmsOptions& options),
                   (boxes, count, options));

}  // namespace rcnn::ops
