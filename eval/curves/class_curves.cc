#include "rcnn/eval/curves/class_curves.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/types/span.h"
#include "rcnn/eval/parallel_for.h"

namespace rcnn::eval {
namespace {

constexpr int kBins = 10;
constexpr double kRecallStep = 0.005;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Judged {
  double score = 0;
  bool right = false;
};

double Ratio(double a, double b) { return b > 0 ? a / b : 0; }

ClassCurvePoint PointAt(double score, int64_t kept, int64_t right, int64_t objects) {
  const auto k = static_cast<double>(kept);
  const auto r = static_cast<double>(right);
  const auto n = static_cast<double>(objects);
  return {score, Ratio(r, k), Ratio(r, n), Ratio(2 * r, k + n)};
}

// `judged` descends by score.
void Trace(absl::Span<const Judged> judged, ClassCurve& curve) {
  if (curve.objects == 0) return;
  int64_t right = 0;
  for (size_t i = 0; i < judged.size(); ++i) {
    right += judged[i].right;
    const bool last = i + 1 == judged.size();
    // A threshold keeps all of a score or none.
    if (!last && judged[i + 1].score == judged[i].score) continue;
    const ClassCurvePoint point =
        PointAt(judged[i].score, static_cast<int64_t>(i) + 1, right, curve.objects);
    if (point.f1 > curve.best.f1) curve.best = point;
    if (last || curve.points.empty() || point.recall - curve.points.back().recall >= kRecallStep) {
      curve.points.push_back(point);
    }
  }
}

void Calibrate(absl::Span<const Judged> judged, ClassCurve& curve) {
  curve.bins.resize(kBins);
  std::vector<double> scores(kBins, 0);
  std::vector<int64_t> right(kBins, 0);
  for (const Judged& one : judged) {
    const double score = std::min(std::max(one.score, 0.0), 1.0);
    const int bin = std::min(static_cast<int>(score * kBins), kBins - 1);
    ++curve.bins[bin].detections;
    scores[bin] += score;
    right[bin] += one.right;
  }
  double sum = 0;
  for (int b = 0; b < kBins; ++b) {
    CalibrationBin& bin = curve.bins[b];
    const auto count = static_cast<double>(bin.detections);
    bin.mean_score = bin.detections == 0 ? kNan : scores[b] / count;
    bin.precision = bin.detections == 0 ? kNan : static_cast<double>(right[b]) / count;
    if (bin.detections > 0) sum += count * std::abs(bin.precision - bin.mean_score);
  }
  curve.calibration_error = judged.empty() ? kNan : sum / static_cast<double>(judged.size());
}

void Measure(std::vector<Judged>& judged, ClassCurve& curve) {
  curve.detections = static_cast<int64_t>(judged.size());
  std::sort(judged.begin(), judged.end(),
            [](const Judged& a, const Judged& b) { return a.score > b.score; });
  Trace(judged, curve);
  Calibrate(judged, curve);
}

}  // namespace

ClassCurves MeasureCurves(const GroundTruth& truth, const Detections& detections,
                          const DetectionErrors& errors) {
  const auto classes = static_cast<int64_t>(truth.categories.size());
  ClassCurves curves;
  curves.classes.resize(classes);
  // The last list is that of all classes.
  std::vector<std::vector<Judged>> judged(classes + 1);
  for (size_t d = 0; d < errors.detections.size(); ++d) {
    if (errors.detections[d] == kNotJudged || errors.ignored[d] != 0) continue;
    const Judged one = {detections.scores[d], errors.detections[d] == kNoError};
    curves.scores_outside |= one.score < 0 || one.score > 1;
    judged[errors.lists.detection_classes[d]].push_back(one);
    judged[classes].push_back(one);
  }
  for (size_t g = 0; g < errors.annotations.size(); ++g) {
    if (errors.annotations[g] == kNotJudged) continue;
    ++curves.classes[errors.lists.annotation_classes[g]].objects;
    ++curves.all.objects;
  }
  // The longest list, that of all classes, first.
  ParallelFor(classes + 1, errors.options.threads, [&](int64_t i) {
    const int64_t k = classes - i;
    Measure(judged[k], k == classes ? curves.all : curves.classes[k]);
  });
  return curves;
}

}  // namespace rcnn::eval
