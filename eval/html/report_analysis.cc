#include "rcnn/eval/html/report_analysis.h"

#include <algorithm>
#include <numeric>

#include "rcnn/base/status_macros.h"

namespace rcnn::eval {
namespace {

data::Box ToCorners(const XywhBox& box) {
  return {static_cast<float>(box.x), static_cast<float>(box.y),
          static_cast<float>(box.x + box.width), static_cast<float>(box.y + box.height)};
}

ProposalRecall MeasureBoxes(const GroundTruth& truth, const Detections& detections,
                            const DetectionErrors& errors, int threads) {
  constexpr int64_t kMax = 100;
  std::vector<std::vector<data::Box>> boxes(truth.images.size());
  std::vector<RecallImage> images(truth.images.size());
  for (size_t i = 0; i < images.size(); ++i) {
    for (uint32_t d : errors.lists.DetectionsAt(static_cast<int64_t>(i)).subspan(0, kMax)) {
      boxes[i].push_back(ToCorners(detections.boxes[d]));
    }
    images[i].proposals = boxes[i];
    for (uint32_t g : errors.lists.AnnotationsAt(static_cast<int64_t>(i))) {
      const Annotation& annotation = truth.annotations[g];
      if (IsRegion(annotation, errors.options)) continue;
      images[i].objects.push_back(ToCorners(annotation.box));
      images[i].areas.push_back(annotation.area);
    }
  }
  return MeasureRecall(images, {.counts = {1, 2, 5, 10, 20, 50, kMax}, .threads = threads});
}

}  // namespace

absl::StatusOr<ReportAnalysis> Analyze(const GroundTruth& truth, const Detections& detections,
                                       const CocoSimilarity* shapes, bool ignore_difficult,
                                       int threads) {
  ReportAnalysis analysis;
  RCNN_ASSIGN_OR_RETURN(analysis.errors, FindDetectionErrors(truth, detections,
                                                             {.ignore_difficult = ignore_difficult,
                                                              .shapes = shapes,
                                                              .threads = threads}));
  analysis.fixes = MeasureOracleFixes(truth, detections, analysis.errors);
  analysis.curves = MeasureCurves(truth, detections, analysis.errors);
  ConfusionOptions confusion;
  confusion.min_score = analysis.curves.all.best.score;
  confusion.ignore_difficult = ignore_difficult;
  confusion.shapes = shapes;
  confusion.threads = threads;
  analysis.confusion = MeasureConfusion(truth, detections, confusion);
  analysis.sizes = CountBySize(truth, analysis.errors);
  analysis.suspects = FindLabelErrors(truth, detections, {.shapes = shapes, .threads = threads});
  if (shapes != nullptr) return analysis;
  analysis.recall = MeasureBoxes(truth, detections, analysis.errors, threads);
  return analysis;
}

std::vector<int> KindsByCost(const OracleFixes& fixes) {
  std::vector<int> kinds(kErrorKinds);
  std::iota(kinds.begin(), kinds.end(), 0);
  std::stable_sort(kinds.begin(), kinds.end(),
                   [&](int a, int b) { return fixes.dap[a] > fixes.dap[b]; });
  return kinds;
}

}  // namespace rcnn::eval
