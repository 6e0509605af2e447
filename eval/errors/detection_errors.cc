#include "rcnn/eval/errors/detection_errors.h"

#include <cmath>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/eval/parallel_for.h"

namespace rcnn::eval {
namespace {

absl::Status CheckInput(const Detections& detections, const DetectionErrorOptions& options) {
  if (!(options.background_iou > 0 && options.background_iou <= options.foreground_iou &&
        options.foreground_iou <= 1)) {
    return absl::InvalidArgumentError(absl::StrCat("background IoU ", options.background_iou,
                                                   " and foreground IoU ", options.foreground_iou,
                                                   " are not 0 < background <= foreground <= 1"));
  }
  if (options.max_detections < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_detections is ", options.max_detections, ", which is not >= 1"));
  }
  if (detections.size() > std::numeric_limits<uint32_t>::max()) {
    return absl::InvalidArgumentError(
        absl::StrCat(detections.size(), " detections are more than 2^32 - 1"));
  }
  for (int64_t d = 0; d < detections.size(); ++d) {
    if (std::isfinite(detections.scores[d])) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("detection ", d, ": score ", detections.scores[d], " is not finite"));
  }
  return absl::OkStatus();
}

// The greatest IoU of a row and the first object that has it.
struct Best {
  double iou = 0;
  int64_t object = 0;

  void Offer(double offered_iou, int64_t offered) {
    if (offered_iou > iou) *this = {offered_iou, offered};
  }
};

// Judges one image after another; one for each thread of work.
class ImageJudge {
 public:
  ImageJudge(const GroundTruth& truth, const Detections& detections, DetectionErrors& errors)
      : truth_(truth), errors_(errors), similarity_(truth, detections, errors.options.shapes) {}

  void Judge(int64_t image) {
    objects_.clear();
    regions_.clear();
    for (uint32_t g : errors_.lists.AnnotationsAt(image)) {
      (IsRegion(truth_.annotations[g], errors_.options) ? regions_ : objects_).push_back(g);
    }
    auto ranked = errors_.lists.DetectionsAt(image);
    ranked = ranked.subspan(0, static_cast<size_t>(errors_.options.max_detections));
    ComputeIous(ranked);
    Match(ranked);
    for (size_t i = 0; i < ranked.size(); ++i) {
      const uint32_t d = ranked[i];
      if (errors_.detections[d] != kNoError) errors_.detections[d] = Explain(i, d);
    }
    ChooseFinders(ranked);
    Count(image, ranked);
  }

 private:
  double Iou(size_t i, size_t j) const { return ious_[i * objects_.size() + j]; }

  bool SameClass(uint32_t d, uint32_t g) const {
    return errors_.lists.detection_classes[d] == errors_.lists.annotation_classes[g];
  }

  void ComputeIous(absl::Span<const uint32_t> ranked) {
    ious_.resize(ranked.size() * objects_.size());
    auto iou = ious_.begin();
    for (uint32_t d : ranked) {
      for (uint32_t g : objects_) {
        *iou++ = similarity_.ToObject(d, g);
      }
    }
  }

  bool LiesInRegion(uint32_t d) const {
    for (uint32_t g : regions_) {
      if (!SameClass(d, g)) continue;
      if (similarity_.ToRegion(d, g) > errors_.options.foreground_iou) return true;
    }
    return false;
  }

  void Match(absl::Span<const uint32_t> ranked) {
    for (uint32_t g : objects_) errors_.annotations[g] = kMissedError;
    for (size_t i = 0; i < ranked.size(); ++i) {
      const uint32_t d = ranked[i];
      Best best;
      for (size_t j = 0; j < objects_.size(); ++j) {
        const uint32_t g = objects_[j];
        if (errors_.found_by[g] < 0 && SameClass(d, g)) best.Offer(Iou(i, j), g);
      }
      if (best.iou >= errors_.options.foreground_iou) {
        errors_.detections[d] = kNoError;
        errors_.objects[d] = best.object;
        errors_.annotations[best.object] = kNoError;
        errors_.found_by[best.object] = d;
      } else {
        errors_.detections[d] = kBothError;
        errors_.ignored[d] = LiesInRegion(d);
      }
    }
  }

  ErrorKind Explain(size_t i, uint32_t d) {
    const double f = errors_.options.foreground_iou;
    const double b = errors_.options.background_iou;
    Best same;
    Best other;
    Best found;
    for (size_t j = 0; j < objects_.size(); ++j) {
      const uint32_t g = objects_[j];
      const bool same_class = SameClass(d, g);
      (same_class ? same : other).Offer(Iou(i, j), g);
      if (same_class && errors_.found_by[g] >= 0) found.Offer(Iou(i, j), g);
    }
    const auto explained = [&](const Best& best, ErrorKind kind) {
      errors_.objects[d] = best.object;
      return kind;
    };
    if (objects_.empty()) return kBackgroundError;
    if (b <= same.iou && same.iou <= f) return explained(same, kLocalizationError);
    if (other.iou >= f) return explained(other, kClassificationError);
    if (found.iou >= f) return explained(found, kDuplicateError);
    return std::max(same.iou, other.iou) <= b ? kBackgroundError : kBothError;
  }

  // Of the detections that would find an object, the best one, the first of equals.
  void ChooseFinders(absl::Span<const uint32_t> ranked) {
    for (uint32_t d : ranked) {
      const uint8_t kind = errors_.detections[d];
      if (kind != kLocalizationError && kind != kClassificationError) continue;
      const int64_t g = errors_.objects[d];
      if (errors_.annotations[g] != kMissedError) continue;
      errors_.annotations[g] = kNoError;
      errors_.would_find[d] = 1;
    }
  }

  void Count(int64_t image, absl::Span<const uint32_t> ranked) {
    ErrorCounts& counts = errors_.image_counts[image];
    for (uint32_t d : ranked) {
      if (errors_.detections[d] < kErrorKinds) ++counts[errors_.detections[d]];
    }
    for (uint32_t g : objects_) counts[kMissedError] += errors_.annotations[g] == kMissedError;
  }

  const GroundTruth& truth_;
  DetectionErrors& errors_;
  const ImageSimilarity similarity_;
  std::vector<uint32_t> objects_;
  std::vector<uint32_t> regions_;
  std::vector<double> ious_;  // [ranked, objects]
};

void CountByClass(DetectionErrors& errors) {
  for (size_t d = 0; d < errors.detections.size(); ++d) {
    const uint8_t kind = errors.detections[d];
    if (kind < kErrorKinds) ++errors.class_counts[errors.lists.detection_classes[d]][kind];
  }
  for (size_t g = 0; g < errors.annotations.size(); ++g) {
    if (errors.annotations[g] != kMissedError) continue;
    ++errors.class_counts[errors.lists.annotation_classes[g]][kMissedError];
  }
  for (const ErrorCounts& counts : errors.class_counts) {
    for (int kind = 0; kind < kErrorKinds; ++kind) errors.counts[kind] += counts[kind];
  }
}

}  // namespace

const char* ErrorName(int kind) {
  constexpr const char* kNames[] = {"Cls", "Loc", "Both", "Dupe", "Bkg", "Miss"};
  return kind >= 0 && kind < kErrorKinds ? kNames[kind] : "";
}

const char* ErrorTitle(int kind) {
  constexpr const char* kTitles[] = {"wrong class", "badly placed", "wrong class and badly placed",
                                     "duplicate",   "background",   "missed"};
  return kind >= 0 && kind < kErrorKinds ? kTitles[kind] : "";
}

absl::StatusOr<DetectionErrors> FindDetectionErrors(const GroundTruth& truth,
                                                    const Detections& detections,
                                                    const DetectionErrorOptions& options) {
  RCNN_RETURN_IF_ERROR(CheckInput(detections, options));
  DetectionErrors errors;
  errors.options = options;
  errors.lists = GroupByImage(truth, detections, options.threads);
  errors.detections.assign(detections.size(), kNotJudged);
  errors.ignored.assign(detections.size(), 0);
  errors.would_find.assign(detections.size(), 0);
  errors.objects.assign(detections.size(), -1);
  errors.annotations.assign(truth.annotations.size(), kNotJudged);
  errors.found_by.assign(truth.annotations.size(), -1);
  errors.class_counts.resize(truth.categories.size());
  errors.image_counts.resize(truth.images.size());
  // Images share no item, so that they can be judged in any order.
  constexpr int64_t kBlock = 64;
  ParallelFor((errors.lists.images() + kBlock - 1) / kBlock, options.threads, [&](int64_t block) {
    ImageJudge judge(truth, detections, errors);
    const int64_t end = std::min((block + 1) * kBlock, errors.lists.images());
    for (int64_t i = block * kBlock; i < end; ++i) judge.Judge(i);
  });
  CountByClass(errors);
  return errors;
}

}  // namespace rcnn::eval
