#include "rcnn/eval/voc_eval.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "absl/strings/str_cat.h"
#include "rcnn/eval/coco_cells.h"
#include "rcnn/eval/pairwise_sum.h"
#include "rcnn/eval/parallel_for.h"

namespace rcnn::eval {
namespace {

// First and last pixel, 1-based.
struct VocBox {
  double xmin;
  double ymin;
  double xmax;
  double ymax;
};

VocBox ToVoc(const XywhBox& box) {
  return {box.x + 1, box.y + 1, box.x + box.width, box.y + box.height};
}

double ThroughText(const char* format, double value) {
  char text[400];
  std::snprintf(text, sizeof(text), format, value);
  return std::strtod(text, nullptr);
}

VocBox Rounded(const VocBox& box) {
  return {ThroughText("%.1f", box.xmin), ThroughText("%.1f", box.ymin),
          ThroughText("%.1f", box.xmax), ThroughText("%.1f", box.ymax)};
}

double Area(const VocBox& box) { return (box.xmax - box.xmin + 1) * (box.ymax - box.ymin + 1); }

double VocIou(const VocBox& dt, const VocBox& gt) {
  const double width = std::min(gt.xmax, dt.xmax) - std::max(gt.xmin, dt.xmin) + 1;
  const double height = std::min(gt.ymax, dt.ymax) - std::max(gt.ymin, dt.ymin) + 1;
  const double intersection = std::max(width, 0.0) * std::max(height, 0.0);
  if (intersection == 0) return 0;
  return intersection / (Area(dt) + Area(gt) - intersection);
}

// A detection of a class, and the cell with the objects that it may hit.
struct Scored {
  double score;
  VocBox box;
  const CocoCell* cell;
};

class ClassEvaluator {
 public:
  ClassEvaluator(const GroundTruth& truth, const Detections& detections, const CocoCells& cells,
                 const VocEvalOptions& options)
      : truth_(truth), detections_(detections), cells_(cells), options_(options) {}

  VocClassResult Run(int64_t k) {
    const CocoCell* begin = cells_.cells.data() + cells_.category_begin[k];
    const CocoCell* end = cells_.cells.data() + cells_.category_begin[k + 1];
    VocClassResult result;
    for (const CocoCell* cell = begin; cell != end; ++cell) {
      for (int64_t i = cell->gt_begin; i < cell->gt_end; ++i) result.positives += !Difficult(i);
    }
    std::vector<Scored> scored = Sorted(begin, end);
    result.detections = static_cast<int64_t>(scored.size());
    hit_.assign(begin == end ? 0 : (end - 1)->gt_end - begin->gt_begin, false);
    first_annotation_ = begin == end ? 0 : begin->gt_begin;
    double true_positives = 0;
    double false_positives = 0;
    for (const Scored& detection : scored) {
      Judge(detection, true_positives, false_positives);
      const double all = true_positives + false_positives;
      result.recall.push_back(true_positives / static_cast<double>(result.positives));
      result.precision.push_back(true_positives /
                                 std::max(all, std::numeric_limits<double>::epsilon()));
    }
    result.ap07 = VocAp07(result.recall, result.precision);
    result.ap10 = VocAp10(result.recall, result.precision);
    return result;
  }

 private:
  const Annotation& AnnotationAt(int64_t i) const {
    return truth_.annotations[cells_.annotations[i]];
  }
  bool Difficult(int64_t i) const { return AnnotationAt(i).difficult || AnnotationAt(i).crowd; }

  std::vector<Scored> Sorted(const CocoCell* begin, const CocoCell* end) const {
    std::vector<Scored> scored;
    for (const CocoCell* cell = begin; cell != end; ++cell) {
      for (int64_t i = cell->dt_begin; i < cell->dt_end; ++i) {
        const Detection d = detections_[cells_.detections[i]];
        const VocBox box = ToVoc(d.box);
        scored.push_back(options_.text_rounding
                             ? Scored{ThroughText("%.3f", d.score), Rounded(box), cell}
                             : Scored{d.score, box, cell});
      }
    }
    std::stable_sort(scored.begin(), scored.end(),
                     [](const Scored& a, const Scored& b) { return a.score > b.score; });
    return scored;
  }

  void Judge(const Scored& detection, double& true_positives, double& false_positives) {
    double best_iou = -std::numeric_limits<double>::infinity();
    int64_t best = -1;
    for (int64_t i = detection.cell->gt_begin; i < detection.cell->gt_end; ++i) {
      const double iou = VocIou(detection.box, ToVoc(AnnotationAt(i).box));
      if (iou > best_iou) {
        best_iou = iou;
        best = i;
      }
    }
    if (!(best_iou > options_.iou_threshold)) {
      ++false_positives;
      return;
    }
    if (Difficult(best)) return;
    auto hit = hit_[best - first_annotation_];
    if (hit) {
      ++false_positives;
    } else {
      ++true_positives;
      hit = true;
    }
  }

  const GroundTruth& truth_;
  const Detections& detections_;
  const CocoCells& cells_;
  const VocEvalOptions& options_;
  std::vector<bool> hit_;  // of the class's annotations
  int64_t first_annotation_ = 0;
};

template <typename Value>
double Mean(const std::vector<VocClassResult>& classes, Value value) {
  std::vector<double> values;
  for (const VocClassResult& result : classes) {
    if (result.positives > 0) values.push_back(value(result));
  }
  return NumpyMean(values);
}

double Ap07(const VocClassResult& result) { return result.ap07; }
double Ap10(const VocClassResult& result) { return result.ap10; }

}  // namespace

double VocEvaluation::MeanAp07() const { return Mean(classes, Ap07); }
double VocEvaluation::MeanAp10() const { return Mean(classes, Ap10); }

double VocAp07(absl::Span<const double> recall, absl::Span<const double> precision) {
  double ap = 0;
  for (int point = 0; point <= 10; ++point) {
    double best = 0;
    for (size_t i = 0; i < recall.size(); ++i) {
      if (recall[i] >= point * 0.1) best = std::max(best, precision[i]);
    }
    ap += best / 11.0;
  }
  return ap;
}

double VocAp10(absl::Span<const double> recall, absl::Span<const double> precision) {
  std::vector<double> mrec = {0};
  mrec.insert(mrec.end(), recall.begin(), recall.end());
  mrec.push_back(1);
  std::vector<double> mpre = {0};
  mpre.insert(mpre.end(), precision.begin(), precision.end());
  mpre.push_back(0);
  for (size_t i = mpre.size() - 1; i > 0; --i) mpre[i - 1] = std::max(mpre[i - 1], mpre[i]);
  std::vector<double> areas;
  for (size_t i = 0; i + 1 < mrec.size(); ++i) {
    if (mrec[i + 1] != mrec[i]) areas.push_back((mrec[i + 1] - mrec[i]) * mpre[i + 1]);
  }
  return NumpySum(areas);
}

absl::StatusOr<VocEvaluation> EvaluateVoc(const GroundTruth& truth, const Detections& detections,
                                          const VocEvalOptions& options) {
  if (!(options.iou_threshold >= 0 && options.iou_threshold < 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("iou_threshold ", options.iou_threshold, " is not in [0, 1)"));
  }
  for (int64_t i = 0; i < detections.size(); ++i) {
    if (std::isfinite(detections.scores[i])) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("detection ", i, " (the first is 0): score is ", detections.scores[i]));
  }
  VocEvaluation evaluation;
  evaluation.categories = truth.categories;
  evaluation.classes.resize(truth.categories.size());
  const CocoCells cells = GroupByCell(truth, detections);
  ParallelFor(static_cast<int64_t>(truth.categories.size()), options.threads, [&](int64_t k) {
    evaluation.classes[k] = ClassEvaluator(truth, detections, cells, options).Run(k);
  });
  return evaluation;
}

}  // namespace rcnn::eval
