#include "rcnn/eval/testing/coco_reference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace rcnn::eval::testing {
namespace {

// evaluateImg's result.
struct ImageResult {
  bool exists = false;
  std::vector<double> dt_scores;
  std::vector<std::vector<int64_t>> dt_match;  // [T][D], id of the annotation
  std::vector<std::vector<bool>> dt_ignore;    // [T][D]
  std::vector<bool> gt_ignore;
};

double BbIou(const XywhBox& d, const XywhBox& g, bool crowd) {
  const double ga = g.width * g.height;
  const double da = d.width * d.height;
  const double w = std::fmin(d.width + d.x, g.width + g.x) - std::fmax(d.x, g.x);
  if (w <= 0) return 0;
  const double h = std::fmin(d.height + d.y, g.height + g.y) - std::fmax(d.y, g.y);
  if (h <= 0) return 0;
  const double i = w * h;
  return i / (crowd ? da : da + ga - i);
}

template <typename Key>
std::vector<size_t> StableOrder(size_t n, Key key) {
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return key(a) < key(b); });
  return order;
}

ImageResult EvaluateImage(std::vector<Annotation> gt, std::vector<Detection> dt,
                          const AreaRange& range, const CocoEvalOptions& options) {
  ImageResult result;
  if (gt.empty() && dt.empty()) return result;
  result.exists = true;
  auto ignore = [&](const Annotation& g) {
    return g.crowd || g.area < range.low || g.area > range.high;
  };
  std::vector<Annotation> sorted_gt;
  for (size_t i : StableOrder(gt.size(), [&](size_t i) { return ignore(gt[i]) ? 1 : 0; })) {
    sorted_gt.push_back(gt[i]);
    result.gt_ignore.push_back(ignore(gt[i]));
  }
  std::vector<Detection> sorted_dt;
  for (size_t i : StableOrder(dt.size(), [&](size_t i) { return -dt[i].score; })) {
    if (sorted_dt.size() == static_cast<size_t>(options.max_detections.back())) break;
    sorted_dt.push_back(dt[i]);
    result.dt_scores.push_back(dt[i].score);
  }
  for (double threshold : options.iou_thresholds) {
    std::vector<int64_t> gt_match(sorted_gt.size(), 0);
    std::vector<int64_t> dt_match(sorted_dt.size(), 0);
    std::vector<bool> dt_ignore(sorted_dt.size(), false);
    for (size_t d = 0; d < sorted_dt.size(); ++d) {
      double iou = std::min(threshold, 1 - 1e-10);
      int64_t m = -1;
      for (size_t g = 0; g < sorted_gt.size(); ++g) {
        if (gt_match[g] > 0 && !sorted_gt[g].crowd) continue;
        if (m > -1 && !result.gt_ignore[m] && result.gt_ignore[g]) break;
        const double overlap = BbIou(sorted_dt[d].box, sorted_gt[g].box, sorted_gt[g].crowd);
        if (overlap < iou) continue;
        iou = overlap;
        m = static_cast<int64_t>(g);
      }
      if (m == -1) continue;
      dt_ignore[d] = result.gt_ignore[m];
      dt_match[d] = sorted_gt[m].id;
      gt_match[m] = static_cast<int64_t>(d) + 1;
    }
    for (size_t d = 0; d < sorted_dt.size(); ++d) {
      const double area = sorted_dt[d].box.width * sorted_dt[d].box.height;
      if (dt_match[d] == 0 && (area < range.low || area > range.high)) dt_ignore[d] = true;
    }
    result.dt_match.push_back(dt_match);
    result.dt_ignore.push_back(dt_ignore);
  }
  return result;
}

// One of the detections that are accumulated.
struct Entry {
  double score;
  const ImageResult* image;
  size_t d;
};

// Lengths of the axes, and positions in the arrays.
struct Shape {
  int64_t T;
  int64_t R;
  int64_t K;
  int64_t A;
  int64_t M;

  int64_t Index(int64_t t, int64_t r, int64_t k, int64_t a, int64_t m) const {
    return (((t * R + r) * K + k) * A + a) * M + m;
  }
  int64_t Index(int64_t t, int64_t k, int64_t a, int64_t m) const {
    return ((t * K + k) * A + a) * M + m;
  }
};

void Accumulate(const std::vector<ImageResult>& images, const CocoEvalOptions& options,
                const Shape& shape, int64_t k, int64_t a, int64_t m, CocoArrays& arrays) {
  std::vector<Entry> entries;
  int64_t npig = 0;
  const size_t most = static_cast<size_t>(options.max_detections[m]);
  for (const ImageResult& image : images) {
    for (size_t d = 0; d < std::min(most, image.dt_scores.size()); ++d) {
      entries.push_back({image.dt_scores[d], &image, d});
    }
    npig += std::count(image.gt_ignore.begin(), image.gt_ignore.end(), false);
  }
  if (npig == 0) return;
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& x, const Entry& y) { return x.score > y.score; });
  for (int64_t t = 0; t < shape.T; ++t) {
    std::vector<double> rc;
    std::vector<double> pr;
    double tp = 0;
    double fp = 0;
    for (const Entry& e : entries) {
      const bool matched = e.image->dt_match[t][e.d] != 0;
      const bool ignored = e.image->dt_ignore[t][e.d];
      tp += matched && !ignored;
      fp += !matched && !ignored;
      rc.push_back(tp / static_cast<double>(npig));
      pr.push_back(tp / (fp + tp + std::numeric_limits<double>::epsilon()));
    }
    arrays.recall[shape.Index(t, k, a, m)] = rc.empty() ? 0 : rc.back();
    for (size_t i = pr.size(); i-- > 1;) {
      if (pr[i] > pr[i - 1]) pr[i - 1] = pr[i];
    }
    for (int64_t r = 0; r < shape.R; ++r) {
      const size_t at = static_cast<size_t>(
          std::lower_bound(rc.begin(), rc.end(), options.recall_thresholds[r]) - rc.begin());
      const int64_t index = shape.Index(t, r, k, a, m);
      arrays.precision[index] = at < pr.size() ? pr[at] : 0;
      arrays.scores[index] = at < pr.size() ? entries[at].score : 0;
    }
  }
}

}  // namespace

CocoArrays CocoReference(const GroundTruth& truth, const Detections& detections,
                         const CocoEvalOptions& options) {
  const Shape shape = {static_cast<int64_t>(options.iou_thresholds.size()),
                       static_cast<int64_t>(options.recall_thresholds.size()),
                       static_cast<int64_t>(truth.categories.size()),
                       static_cast<int64_t>(options.areas.size()),
                       static_cast<int64_t>(options.max_detections.size())};
  CocoArrays arrays;
  arrays.precision.assign(shape.T * shape.R * shape.K * shape.A * shape.M, -1.0);
  arrays.scores = arrays.precision;
  arrays.recall.assign(shape.T * shape.K * shape.A * shape.M, -1.0);
  for (int64_t k = 0; k < shape.K; ++k) {
    for (int64_t a = 0; a < shape.A; ++a) {
      std::vector<ImageResult> images;
      for (const GroundTruthImage& image : truth.images) {
        std::vector<Annotation> gt;
        for (const Annotation& g : truth.annotations) {
          if (g.image_id == image.id && g.category_id == truth.categories[k].id) gt.push_back(g);
        }
        std::vector<Detection> dt;
        for (int64_t i = 0; i < detections.size(); ++i) {
          const Detection d = detections[i];
          if (d.image_id == image.id && d.category_id == truth.categories[k].id) dt.push_back(d);
        }
        images.push_back(EvaluateImage(gt, dt, options.areas[a], options));
      }
      for (int64_t m = 0; m < shape.M; ++m) {
        Accumulate(images, options, shape, k, a, m, arrays);
      }
    }
  }
  return arrays;
}

}  // namespace rcnn::eval::testing
