#include "rcnn/eval/shape_similarity.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "rcnn/eval/pairwise_sum.h"

namespace rcnn::eval {
namespace {

double BoxArea(const XywhBox& box) { return box.width * box.height; }

// How far a coordinate lies outside [low, high].
double Outside(double value, double low, double high) {
  return std::max(0.0, low - value) + std::max(0.0, value - high);
}

}  // namespace

XywhBox BoxAroundKeypoints(absl::Span<const double> numbers) {
  double x1 = numbers[0], x2 = numbers[0], y1 = numbers[1], y2 = numbers[1];
  for (size_t i = 0; i < numbers.size(); i += 3) {
    x1 = std::min(x1, numbers[i]);
    x2 = std::max(x2, numbers[i]);
    y1 = std::min(y1, numbers[i + 1]);
    y2 = std::max(y2, numbers[i + 1]);
  }
  return {x1, y1, x2 - x1, y2 - y1};
}

MaskSimilarity::MaskSimilarity(const GroundTruth& truth, const AnnotationMasks& annotations,
                               const MaskDetections& results)
    : truth_(truth), annotations_(annotations), results_(results) {
  const bool boxes = !results.has_box.empty() && results.has_box[0] != 0;
  for (int64_t i = 0; i < results.size(); ++i) {
    areas_.push_back(boxes && results.has_box[i] != 0
                         ? BoxArea(results.detections.boxes[i])
                         : static_cast<double>(results.masks[i].Area()));
  }
}

void MaskSimilarity::Compare(int64_t detection, absl::Span<const uint32_t> annotations,
                             double* similarities) const {
  const Mask mask = results_.masks[detection];
  for (size_t i = 0; i < annotations.size(); ++i) {
    similarities[i] =
        MaskIou(mask, annotations_.masks[annotations[i]], truth_.annotations[annotations[i]].crowd);
  }
}

std::vector<double> CocoKeypointSigmas() {
  std::vector<double> sigmas;
  for (double sigma :
       {.26, .25, .25, .35, .35, .79, .79, .72, .72, .62, .62, 1.07, 1.07, .87, .87, .89, .89}) {
    sigmas.push_back(sigma / 10.0);
  }
  return sigmas;
}

KeypointSimilarity::KeypointSimilarity(const GroundTruth& truth,
                                       const AnnotationKeypoints& annotations,
                                       const KeypointDetections& results,
                                       const std::vector<double>& sigmas)
    : truth_(truth), annotations_(annotations), results_(results) {
  for (double sigma : sigmas) variances_.push_back(sigma * 2 * (sigma * 2));
  const bool boxes = !results.has_box.empty() && results.has_box[0] != 0;
  const int64_t numbers = annotations.keypoints * 3;
  for (int64_t i = 0; i < results.size(); ++i) {
    areas_.push_back(
        boxes && results.has_box[i] != 0
            ? BoxArea(results.detections.boxes[i])
            : BoxArea(BoxAroundKeypoints(
                  absl::MakeConstSpan(results.numbers).subspan(i * numbers, numbers))));
  }
}

double KeypointSimilarity::Oks(int64_t detection, uint32_t annotation) const {
  const int64_t K = annotations_.keypoints;
  const double* dt = results_.numbers.data() + detection * K * 3;
  const double* gt = annotations_.numbers.data() + annotation * K * 3;
  const XywhBox& box = truth_.annotations[annotation].box;
  bool any_labelled = false;
  for (int64_t k = 0; k < K; ++k) any_labelled |= gt[3 * k + 2] > 0;
  // numpy.spacing(1).
  const double area = truth_.annotations[annotation].area + std::numeric_limits<double>::epsilon();
  std::vector<double> terms;
  for (int64_t k = 0; k < K; ++k) {
    if (any_labelled && !(gt[3 * k + 2] > 0)) continue;
    const double x = dt[3 * k];
    const double y = dt[3 * k + 1];
    const double dx =
        any_labelled ? x - gt[3 * k] : Outside(x, box.x - box.width, box.x + box.width * 2);
    const double dy =
        any_labelled ? y - gt[3 * k + 1] : Outside(y, box.y - box.height, box.y + box.height * 2);
    terms.push_back(std::exp(-((dx * dx + dy * dy) / variances_[k] / area / 2)));
  }
  return NumpyMean(terms);
}

void KeypointSimilarity::Compare(int64_t detection, absl::Span<const uint32_t> annotations,
                                 double* similarities) const {
  for (size_t i = 0; i < annotations.size(); ++i) {
    similarities[i] = Oks(detection, annotations[i]);
  }
}

}  // namespace rcnn::eval
