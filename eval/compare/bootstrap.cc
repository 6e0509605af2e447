// A draw gives each image a weight w, the number of times it was drawn. Along the
// detections of a class, best score first, at one IoU threshold, let
//
//   kept     the sum of w over the detections so far
//   ignored  the sum of w over those of them that match a crowd
//   found    the sum of w over the true positives so far
//   objects  the sum of w over the objects of the class
//
// Precision is found / (kept - ignored) and recall found / objects. AP is the mean over
// the recalls 0, 0.01, ... 1 of the best precision at that recall or beyond. Only true
// positives raise the recall, so AP is a sum over them, from the last to the first: the best
// precision so far, times the number of those recalls that this true positive is the first to
// reach.
//
// Why it is fast: matching and sorting are done once, not for each draw. `kept` is computed
// once for all thresholds, and stored only at detections that touch an object. The innermost
// dimension is sixteen draws, so that the lists are read once for sixteen draws and the loops
// are vectorised.

#include "rcnn/eval/compare/bootstrap.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stream_key.h"
#include "rcnn/base/target_clones.h"
#include "rcnn/eval/coco_eval.h"
#include "rcnn/eval/coco_summary.h"
#include "rcnn/eval/compare/ranked_matches.h"
#include "rcnn/eval/parallel_for.h"

namespace rcnn::eval {
namespace {

constexpr int kLanes = 16;
// Limits memory: every class keeps its difference of every draw.
constexpr int64_t kMostResamples = 100'000;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

template <typename T>
using Lanes = std::array<T, kLanes>;

// [images]: how often each of sixteen draws took an image. A byte is
// enough: in a draw of N images, one image comes 256 times with negligible
// probability.
using Weights = std::vector<Lanes<uint8_t>>;

Weights DrawImages(int64_t block, int64_t images, const CompareOptions& options) {
  Weights weights(images, Lanes<uint8_t>{});
  for (int lane = 0; lane < kLanes; ++lane) {
    RandomStream stream({.seed = options.seed,
                         .stage = "compare",
                         .step = block * kLanes + lane,
                         .purpose = "images"});
    for (int64_t n = 0; n < images; ++n) {
      uint8_t& weight = weights[stream.UniformInt(images)][lane];
      weight = static_cast<uint8_t>(weight + (weight < 255));
    }
  }
  return weights;
}

// kept[i]: weight of the detections up to and with touched detection i.
RCNN_LOOP void CountKeptLoop(const uint32_t* images, const uint32_t* touched, size_t count,
                             const Lanes<uint8_t>* weights, Lanes<int32_t>* kept) {
  int32_t sum[kLanes] = {};
  uint32_t next = 0;
  for (size_t i = 0; i < count; ++i) {
    for (; next <= touched[i]; ++next) {
      const uint8_t* weight = weights[images[next]].data();
      for (int lane = 0; lane < kLanes; ++lane) sum[lane] += weight[lane];
    }
    for (int lane = 0; lane < kLanes; ++lane) kept[i][lane] = sum[lane];
  }
}
RCNN_TARGET_CLONES(void, CountKept, CountKeptLoop,
                   (const uint32_t* images, const uint32_t* touched, size_t count,
                    const Lanes<uint8_t>* weights, Lanes<int32_t>* kept),
                   (images, touched, count, weights, kept));

// After a hit: precision, and how many of the recalls 0, 0.01, ... 1 are reached.
struct RankedHit {
  Lanes<float> precision;
  Lanes<float> reached;
};

RCNN_LOOP size_t TraceTruePositivesLoop(const MatchEvent* events, size_t count,
                                        const ClassMatches& matches, const Lanes<uint8_t>* weights,
                                        const Lanes<int32_t>* kept, const float* recall_scale,
                                        RankedHit* hits) {
  int32_t found[kLanes] = {};
  int32_t ignored[kLanes] = {};
  size_t size = 0;
  for (size_t e = 0; e < count; ++e) {
    const uint32_t touched = events[e].touched;
    const uint8_t* weight = weights[matches.images[matches.touched[touched]]].data();
    if (!events[e].finds) {
      for (int lane = 0; lane < kLanes; ++lane) ignored[lane] += weight[lane];
      continue;
    }
    const int32_t* kept_here = kept[touched].data();
    RankedHit& hit = hits[size++];
    for (int lane = 0; lane < kLanes; ++lane) {
      found[lane] += weight[lane];
      const int32_t counted = std::max(kept_here[lane] - ignored[lane], 1);
      hit.precision[lane] = static_cast<float>(found[lane]) / static_cast<float>(counted);
      // Truncated: the number of recalls 0.01, 0.02, ... up to found / objects. The margin
      // absorbs rounding: 100 found / objects is a multiple of 1 / objects, so a value below a
      // whole number misses it by more than the margin (for fewer than 100,000 objects).
      const float recall = static_cast<float>(found[lane]) * recall_scale[lane] + 1e-5f;
      const int32_t reached = static_cast<int32_t>(recall) + (found[lane] > 0);
      hit.reached[lane] = static_cast<float>(reached);
    }
  }
  return size;
}
RCNN_TARGET_CLONES(size_t, TraceTruePositives, TraceTruePositivesLoop,
                   (const MatchEvent* events, size_t count, const ClassMatches& matches,
                    const Lanes<uint8_t>* weights, const Lanes<int32_t>* kept,
                    const float* recall_scale, RankedHit* hits),
                   (events, count, matches, weights, kept, recall_scale, hits));

// Sums, from the last hit to the first, the best precision from there on for
// each recall that the hit is the first to reach.
RCNN_LOOP void SumPrecisionsLoop(const RankedHit* hits, size_t count, float* ap) {
  float best[kLanes] = {};
  float sum[kLanes] = {};
  for (size_t i = count; i-- > 0;) {
    const float* precision = hits[i].precision.data();
    const float* reached = hits[i].reached.data();
    for (int lane = 0; lane < kLanes; ++lane) {
      best[lane] = std::max(best[lane], precision[lane]);
      const float before = i > 0 ? hits[i - 1].reached[lane] : 0.0f;
      sum[lane] += best[lane] * (reached[lane] - before);
    }
  }
  for (int lane = 0; lane < kLanes; ++lane) ap[lane] = sum[lane] / 101.0f;
}
RCNN_TARGET_CLONES(void, SumPrecisions, SumPrecisionsLoop,
                   (const RankedHit* hits, size_t count, float* ap), (hits, count, ap));

// AP of one class in sixteen draws.
struct ClassAps {
  Lanes<float> ap = {};
  Lanes<float> ap50 = {};
  Lanes<float> ap75 = {};
};

class BlockMeter {
 public:
  explicit BlockMeter(const Weights& weights) : weights_(weights) {}

  // The number of objects in the draw of each lane.
  Lanes<int32_t> CountObjects(const ClassMatches& matches) const {
    Lanes<int32_t> objects = {};
    for (const auto& [image, count] : matches.objects) {
      for (int lane = 0; lane < kLanes; ++lane) {
        objects[lane] += static_cast<int32_t>(count) * weights_[image][lane];
      }
    }
    return objects;
  }

  ClassAps Measure(const ClassMatches& matches, const Lanes<int32_t>& objects) {
    Lanes<float> scale;
    for (int lane = 0; lane < kLanes; ++lane) {
      scale[lane] = objects[lane] > 0 ? 100.0f / static_cast<float>(objects[lane]) : 0.0f;
    }
    const size_t touched = matches.touched.size();
    if (kept_.size() < touched) kept_.resize(touched), hits_.resize(touched);
    CountKept(matches.images.data(), matches.touched.data(), touched, weights_.data(),
              kept_.data());
    ClassAps aps;
    const size_t thresholds = matches.events.size();
    for (size_t t = 0; t < thresholds; ++t) {
      const auto& events = matches.events[t];
      const size_t count =
          TraceTruePositives(events.data(), events.size(), matches, weights_.data(), kept_.data(),
                             scale.data(), hits_.data());
      Lanes<float> ap;
      SumPrecisions(hits_.data(), count, ap.data());
      for (int lane = 0; lane < kLanes; ++lane) {
        aps.ap[lane] += ap[lane] / static_cast<float>(thresholds);
      }
      if (t == 0) aps.ap50 = ap;
      if (t == 5) aps.ap75 = ap;
    }
    return aps;
  }

 private:
  const Weights& weights_;
  std::vector<Lanes<int32_t>> kept_;
  std::vector<RankedHit> hits_;
};

// [resamples] b - a of each draw; NaN where a draw has no object.
struct Draws {
  std::vector<float> ap;
  std::vector<float> ap50;
  std::vector<float> ap75;
  std::vector<std::vector<float>> classes;  // [K]
};

void MeasureBlock(const RankedMatches& a, const RankedMatches& b, const Weights& weights,
                  int64_t first, Draws& draws) {
  const auto resamples = static_cast<int64_t>(draws.ap.size());
  const int lanes = static_cast<int>(std::min<int64_t>(kLanes, resamples - first));
  BlockMeter meter(weights);
  Lanes<double> ap = {};
  Lanes<double> ap50 = {};
  Lanes<double> ap75 = {};
  Lanes<int64_t> classes = {};
  for (size_t k = 0; k < a.classes.size(); ++k) {
    const Lanes<int32_t> objects = meter.CountObjects(a.classes[k]);
    const ClassAps aps_a = meter.Measure(a.classes[k], objects);
    const ClassAps aps_b = meter.Measure(b.classes[k], objects);
    for (int lane = 0; lane < lanes; ++lane) {
      float& difference = draws.classes[k][first + lane];
      difference = static_cast<float>(kNan);
      if (objects[lane] == 0) continue;
      difference = aps_b.ap[lane] - aps_a.ap[lane];
      ap[lane] += difference;
      ap50[lane] += aps_b.ap50[lane] - aps_a.ap50[lane];
      ap75[lane] += aps_b.ap75[lane] - aps_a.ap75[lane];
      ++classes[lane];
    }
  }
  for (int lane = 0; lane < lanes; ++lane) {
    const double count = classes[lane] > 0 ? static_cast<double>(classes[lane]) : kNan;
    draws.ap[first + lane] = static_cast<float>(ap[lane] / count);
    draws.ap50[first + lane] = static_cast<float>(ap50[lane] / count);
    draws.ap75[first + lane] = static_cast<float>(ap75[lane] / count);
  }
}

Draws DrawDifferences(const RankedMatches& a, const RankedMatches& b, int64_t images,
                      const CompareOptions& options) {
  Draws draws;
  for (std::vector<float>* values : {&draws.ap, &draws.ap50, &draws.ap75}) {
    values->resize(options.resamples);
  }
  draws.classes.assign(a.classes.size(), std::vector<float>(options.resamples));
  ParallelFor((options.resamples + kLanes - 1) / kLanes, options.threads, [&](int64_t block) {
    MeasureBlock(a, b, DrawImages(block, images, options), block * kLanes, draws);
  });
  return draws;
}

// Linear between the values, as numpy.quantile.
double Quantile(const std::vector<float>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<size_t>(at);
  const size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (at - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

Difference Summarize(double a, double b, std::vector<float> draws, double confidence) {
  // The metrics have -1 where they are undefined.
  Difference difference = {a < 0 ? kNan : a, b < 0 ? kNan : b, kNan, kNan, kNan};
  draws.erase(std::remove_if(draws.begin(), draws.end(), [](float x) { return std::isnan(x); }),
              draws.end());
  if (draws.empty() || std::isnan(difference.difference())) return difference;
  std::sort(draws.begin(), draws.end());
  difference.low = Quantile(draws, (1 - confidence) / 2);
  difference.high = Quantile(draws, (1 + confidence) / 2);
  double better = 0;
  for (float draw : draws) better += draw > 0 ? 1 : draw == 0 ? 0.5 : 0;
  difference.b_better = better / static_cast<double>(draws.size());
  return difference;
}

std::vector<ImageChange> SortChanges(const RankedMatches& a, const RankedMatches& b) {
  std::vector<ImageChange> changes;
  for (size_t i = 0; i < a.image_ap.size(); ++i) {
    if (std::isnan(a.image_ap[i])) continue;
    changes.push_back({static_cast<int64_t>(i), a.image_ap[i], b.image_ap[i]});
  }
  std::stable_sort(changes.begin(), changes.end(), [](const ImageChange& x, const ImageChange& y) {
    return std::abs(x.b - x.a) > std::abs(y.b - y.a);
  });
  return changes;
}

absl::Status Check(const CompareOptions& options) {
  if (options.resamples < 20 || options.resamples > kMostResamples) {
    return absl::InvalidArgumentError(absl::StrCat("resamples is ", options.resamples,
                                                   ", which is not from 20 to ", kMostResamples));
  }
  if (!(options.confidence > 0 && options.confidence < 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("confidence is ", options.confidence, ", which is not in (0, 1)"));
  }
  return absl::OkStatus();
}

absl::StatusOr<CocoEvaluation> Evaluate(const GroundTruth& truth, const Detections& detections,
                                        int threads) {
  CocoEvalOptions options;
  options.areas.resize(1);
  options.max_detections = {100};
  options.threads = threads;
  return EvaluateCoco(truth, detections, options);
}

}  // namespace

absl::StatusOr<Comparison> CompareDetections(const GroundTruth& truth, const Detections& a,
                                             const Detections& b, const CompareOptions& options) {
  RCNN_RETURN_IF_ERROR(Check(options));
  RCNN_ASSIGN_OR_RETURN(const CocoEvaluation evaluation_a, Evaluate(truth, a, options.threads),
                        "the first detections");
  RCNN_ASSIGN_OR_RETURN(const CocoEvaluation evaluation_b, Evaluate(truth, b, options.threads),
                        "the second detections");
  const RankedMatches ranked_a = RankMatches(truth, a, options.threads);
  const RankedMatches ranked_b = RankMatches(truth, b, options.threads);
  const Draws draws =
      DrawDifferences(ranked_a, ranked_b, static_cast<int64_t>(truth.images.size()), options);
  Comparison comparison;
  comparison.options = options;
  const auto summarize = [&](const CocoSelection& selection, const std::vector<float>& values) {
    return Summarize(AveragePrecision(evaluation_a, selection),
                     AveragePrecision(evaluation_b, selection), values, options.confidence);
  };
  comparison.ap = summarize({}, draws.ap);
  comparison.ap50 = summarize({.iou_threshold = 0.5}, draws.ap50);
  comparison.ap75 = summarize({.iou_threshold = 0.75}, draws.ap75);
  for (size_t k = 0; k < draws.classes.size(); ++k) {
    comparison.classes.push_back(
        summarize({.category = static_cast<int64_t>(k)}, draws.classes[k]));
  }
  comparison.images = SortChanges(ranked_a, ranked_b);
  return comparison;
}

}  // namespace rcnn::eval
