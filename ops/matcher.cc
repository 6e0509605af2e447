// Matching without the N x M matrix of IoUs, in passes over the boxes:
//
//   FindBest               IoUs of kBlockRows boxes at a time with all objects: the best object of
//                          each box, and the best IoU of each object over all boxes. A block and
//                          its maxima stay in the cache
//   LabelByThresholds      from the best IoU of each box
//   LabelBestOfEachColumn  which boxes tie for the best IoU of an object. Only a box whose own best
//                          is at least the lowest of these can, so few rows are computed again
//   HideInCrowds           the largest share of each box in a crowd region, in blocks again
//
// Invariant: the same function on the same numbers gives the same bits, so comparing a recomputed
// IoU with a stored maximum for equality is exact. Maxima do not depend on the order of the
// threads.
//
// Objects are columns of the blocks, boxes their rows. Columns are the ground truth without crowds;
// MapIndices turns them into rows of gt_boxes at the end.

#include "rcnn/ops/matcher.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <mutex>
#include <tuple>
#include <utility>
#include <vector>

#include "rcnn/ops/check.h"
#include "rcnn/ops/cpu/overlap_kernel.h"
#include "rcnn/ops/dispatch.h"

namespace rcnn::ops {
namespace {

// A block of rows and its maxima stay in the cache.
constexpr int64_t kBlockRows = 64;
constexpr int64_t kGrain = 16 * kBlockRows;

void CheckMask(const c10::optional<at::Tensor>& mask, const char* name, const at::Tensor& boxes,
               const char* boxes_name) {
  if (!mask.has_value()) return;
  CheckShape(*mask, name, {-1});
  CheckDtype(*mask, name, {at::kBool});
  CheckSameLength(*mask, name, boxes, boxes_name);
  CheckSameDevice(*mask, name, boxes, boxes_name);
}

// Row indices of `mask`'s elements equal to `wanted`; all or none without a mask.
std::vector<int64_t> RowsWhere(const c10::optional<at::Tensor>& mask, int64_t count, bool wanted) {
  std::vector<int64_t> rows;
  const at::Tensor readable = mask.has_value() ? mask->contiguous() : at::Tensor();
  for (int64_t i = 0; i < count; ++i) {
    const bool value = readable.defined() && readable.data_ptr<bool>()[i];
    if (value == wanted) rows.push_back(i);
  }
  return rows;
}

template <typename T>
BoxColumns<T> GatherColumns(const at::Tensor& boxes, const std::vector<int64_t>& rows,
                            bool inclusive) {
  std::vector<T> chosen;
  for (const int64_t row : rows) {
    const T* box = boxes.data_ptr<T>() + 4 * row;
    chosen.insert(chosen.end(), box, box + 4);
  }
  return BoxColumns<T>(chosen.data(), static_cast<int64_t>(rows.size()), inclusive);
}

// State shared by the steps below. All tensors are contiguous and on the CPU.
template <typename T>
struct Problem {
  const MatcherOptions& options;
  int64_t count;
  const T* boxes;
  const bool* eligible;  // or nullptr
  int64_t* labels;
  int64_t* gt_index;
  T* iou;

  bool IsEligible(int64_t row) const { return eligible == nullptr || eligible[row]; }
};

// Calls visit(first_row, rows, block) for all rows in blocks, `block` being their overlaps
// [rows, columns.padded_count()].
template <typename T, typename Visit>
void ForEachBlock(const Problem<T>& problem, int64_t begin, int64_t end,
                  const BoxColumns<T>& columns, Overlap kind, const Visit& visit) {
  std::vector<T> block(kBlockRows * columns.padded_count());
  for (int64_t first = begin; first < end; first += kBlockRows) {
    const int64_t rows = std::min(kBlockRows, end - first);
    OverlapRows(problem.boxes + 4 * first, rows, columns, kind, block.data(),
                columns.padded_count());
    visit(first, rows, block.data());
  }
}

// Rows that are not eligible overlap nothing.
template <typename T>
void ClearIneligible(const Problem<T>& problem, int64_t first, int64_t rows, int64_t width,
                     T* block) {
  for (int64_t i = 0; i < rows; ++i) {
    if (!problem.IsEligible(first + i)) std::fill_n(block + i * width, width, T{0});
  }
}

// Writes every box's best IoU and its column, and returns every column's best IoU.
template <typename T>
std::vector<T> FindBest(const Problem<T>& problem, const BoxColumns<T>& columns) {
  const int64_t width = columns.padded_count();
  std::vector<T> best(width);
  std::mutex mutex;
  at::parallel_for(0, problem.count, kGrain, [&](int64_t begin, int64_t end) {
    std::vector<T> task_best(width);
    const auto visit = [&](int64_t first, int64_t rows, T* block) {
      ClearIneligible(problem, first, rows, width, block);
      BlockMaxima(block, rows, width, problem.iou + first, task_best.data());
      for (int64_t i = 0; i < rows; ++i) {
        const T* row = block + i * width;
        const T* found = std::find(row, row + columns.count(), problem.iou[first + i]);
        problem.gt_index[first + i] = found - row;
      }
    };
    ForEachBlock(problem, begin, end, columns, Overlap::kIou, visit);
    const std::lock_guard<std::mutex> lock(mutex);
    for (int64_t j = 0; j < width; ++j) best[j] = std::max(best[j], task_best[j]);
  });
  return best;
}

// Thresholds in the dtype of the boxes: a float32 IoU is compared with 0.7 as a
// float32.
template <typename T>
void LabelByThresholds(const Problem<T>& problem) {
  const T foreground = static_cast<T>(problem.options.foreground_iou);
  const T high = static_cast<T>(problem.options.background_max_iou);
  const T low = static_cast<T>(problem.options.background_min_iou);
  for (int64_t i = 0; i < problem.count; ++i) {
    const T iou = problem.iou[i];
    problem.labels[i] = !problem.IsEligible(i)     ? kIgnored
                        : iou >= foreground        ? kForeground
                        : iou >= low && iou < high ? kBackground
                                                   : kIgnored;
  }
}

// Recomputes the few rows that can tie with a column's best.
template <typename T>
void LabelBestOfEachColumn(const Problem<T>& problem, const BoxColumns<T>& columns,
                           const std::vector<T>& best) {
  const T min_best = static_cast<T>(problem.options.min_best_iou);
  T least = 2;
  for (int64_t j = 0; j < columns.count(); ++j) {
    if (best[j] > min_best) least = std::min(least, best[j]);
  }
  std::vector<T> row(columns.padded_count());
  for (int64_t i = 0; i < problem.count; ++i) {
    if (problem.labels[i] == kForeground || problem.iou[i] < least) continue;
    OverlapRows(problem.boxes + 4 * i, 1, columns, Overlap::kIou, row.data(),
                columns.padded_count());
    for (int64_t j = 0; j < columns.count(); ++j) {
      if (best[j] > min_best && row[j] == best[j]) problem.labels[i] = kForeground;
    }
  }
}

template <typename T>
void HideInCrowds(const Problem<T>& problem, const BoxColumns<T>& crowds) {
  const T share = static_cast<T>(problem.options.crowd_share);
  const int64_t width = crowds.padded_count();
  at::parallel_for(0, problem.count, kGrain, [&](int64_t begin, int64_t end) {
    std::vector<T> unused(width);
    std::vector<T> largest(kBlockRows);
    const auto visit = [&](int64_t first, int64_t rows, const T* block) {
      BlockMaxima(block, rows, width, largest.data(), unused.data());
      for (int64_t i = 0; i < rows; ++i) {
        int64_t& label = problem.labels[first + i];
        const bool hidden = label == kBackground || problem.options.crowd_hides_foreground;
        if (hidden && largest[i] > share) label = kIgnored;
      }
    };
    ForEachBlock(problem, begin, end, crowds, Overlap::kIntersectionOverRow, visit);
  });
}

// Maps columns to rows of gt_boxes; -1 for a box without a match, also where NaN matches no column.
template <typename T>
void MapIndices(const Problem<T>& problem, const std::vector<int64_t>& objects) {
  for (int64_t i = 0; i < problem.count; ++i) {
    int64_t& index = problem.gt_index[i];
    const auto column = static_cast<size_t>(index);
    index = column >= objects.size() || !problem.IsEligible(i) ? -1 : objects[column];
  }
}

template <typename T>
Matches MatchOnCpu(const at::Tensor& boxes, const at::Tensor& gt_boxes,
                   const MatcherOptions& options, const c10::optional<at::Tensor>& gt_is_crowd,
                   const bool* eligible) {
  const int64_t count = boxes.size(0);
  const auto long_options = boxes.options().dtype(at::kLong);
  const Matches matches = {at::empty({count}, long_options), at::zeros({count}, long_options),
                           at::zeros({count}, boxes.options())};
  const Problem<T> problem = {options,
                              count,
                              boxes.data_ptr<T>(),
                              eligible,
                              matches.labels.data_ptr<int64_t>(),
                              matches.gt_index.data_ptr<int64_t>(),
                              matches.iou.data_ptr<T>()};
  const std::vector<int64_t> objects = RowsWhere(gt_is_crowd, gt_boxes.size(0), false);
  const std::vector<int64_t> crowds = RowsWhere(gt_is_crowd, gt_boxes.size(0), true);
  const BoxColumns<T> columns = GatherColumns<T>(gt_boxes, objects, options.inclusive);
  const std::vector<T> best = objects.empty() ? std::vector<T>() : FindBest(problem, columns);
  LabelByThresholds(problem);
  if (options.match_best_of_each_gt && !objects.empty()) {
    LabelBestOfEachColumn(problem, columns, best);
  }
  if (!crowds.empty()) HideInCrowds(problem, GatherColumns<T>(gt_boxes, crowds, options.inclusive));
  MapIndices(problem, objects);
  return matches;
}

using MatchTensors = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

MatchTensors MatchOnCpuOrMeta(const at::Tensor& boxes, const at::Tensor& gt_boxes,
                              double foreground_iou, double background_max_iou,
                              double background_min_iou, bool match_best_of_each_gt,
                              double min_best_iou, double crowd_share, bool crowd_hides_foreground,
                              bool inclusive, const c10::optional<at::Tensor>& gt_is_crowd,
                              const c10::optional<at::Tensor>& eligible) {
  const MatcherOptions options = {foreground_iou,         background_max_iou, background_min_iou,
                                  match_best_of_each_gt,  min_best_iou,       crowd_share,
                                  crowd_hides_foreground, inclusive};
  CheckMatchArguments(boxes, gt_boxes, options, gt_is_crowd, eligible);
  if (boxes.is_meta()) {
    const at::Tensor longs = at::empty({boxes.size(0)}, boxes.options().dtype(at::kLong));
    return {longs, at::empty_like(longs), at::empty({boxes.size(0)}, boxes.options())};
  }
  const at::Tensor mask = eligible.has_value() ? eligible->contiguous() : at::Tensor();
  const bool* mask_data = mask.defined() ? mask.data_ptr<bool>() : nullptr;
  const auto match = boxes.scalar_type() == at::kDouble ? &MatchOnCpu<double> : &MatchOnCpu<float>;
  const Matches matches = match(boxes.detach().contiguous(), gt_boxes.detach().contiguous(),
                                options, gt_is_crowd, mask_data);
  return {matches.labels, matches.gt_index, matches.iou};
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineOperator(m,
                 "match_boxes(Tensor boxes, Tensor gt_boxes, *, float foreground_iou=0.7, "
                 "float background_max_iou=0.3, float background_min_iou=0., "
                 "bool match_best_of_each_gt=True, float min_best_iou=0., float crowd_share=0.7, "
                 "bool crowd_hides_foreground=False, bool inclusive=False, "
                 "Tensor? gt_is_crowd=None, Tensor? eligible=None) "
                 "-> (Tensor labels, Tensor gt_index, Tensor iou)",
                 &MatchOnCpuOrMeta, &MatchOnCpuOrMeta);
}

}  // namespace

void CheckMatcherOptions(const MatcherOptions& options) {
  TORCH_CHECK(options.foreground_iou > 0 && options.foreground_iou <= 1,
              "foreground_iou: expected in (0, 1], got ", options.foreground_iou);
  TORCH_CHECK(
      options.background_max_iou >= 0 && options.background_max_iou <= options.foreground_iou,
      "background_max_iou: expected in [0, foreground_iou = ", options.foreground_iou, "], got ",
      options.background_max_iou);
  TORCH_CHECK(
      options.background_min_iou >= 0 && options.background_min_iou <= options.background_max_iou,
      "background_min_iou: expected in [0, background_max_iou = ", options.background_max_iou,
      "], got ", options.background_min_iou);
  TORCH_CHECK(options.min_best_iou >= 0 && options.min_best_iou < 1,
              "min_best_iou: expected in [0, 1), got ", options.min_best_iou);
  TORCH_CHECK(options.crowd_share >= 0 && options.crowd_share <= 1,
              "crowd_share: expected in [0, 1], got ", options.crowd_share);
}

void CheckMatchArguments(const at::Tensor& boxes, const at::Tensor& gt_boxes,
                         const MatcherOptions& options,
                         const c10::optional<at::Tensor>& gt_is_crowd,
                         const c10::optional<at::Tensor>& eligible) {
  CheckMatcherOptions(options);
  CheckBoxes(boxes, "boxes");
  CheckBoxes(gt_boxes, "gt_boxes");
  CheckSameDtypeAndDevice(gt_boxes, "gt_boxes", boxes, "boxes");
  CheckBoxAreas(boxes, "boxes", options.inclusive);
  CheckBoxAreas(gt_boxes, "gt_boxes", options.inclusive);
  CheckMask(gt_is_crowd, "gt_is_crowd", gt_boxes, "gt_boxes");
  CheckMask(eligible, "eligible", boxes, "boxes");
}

Matches MatchBoxes(const at::Tensor& boxes, const at::Tensor& gt_boxes,
                   const MatcherOptions& options, const c10::optional<at::Tensor>& gt_is_crowd,
                   const c10::optional<at::Tensor>& eligible) {
  static const auto op = FindOperator<decltype(MatchOnCpuOrMeta)>("match_boxes");
  auto [labels, gt_index, iou] =
      op.call(boxes, gt_boxes, options.foreground_iou, options.background_max_iou,
              options.background_min_iou, options.match_best_of_each_gt, options.min_best_iou,
              options.crowd_share, options.crowd_hides_foreground, options.inclusive, gt_is_crowd,
              eligible);
  return {std::move(labels), std::move(gt_index), std::move(iou)};
}

}  // namespace rcnn::ops
