// Why each false detection is false and what became of each object, as TIDE
// defines it.
//
// On each image the best `max_detections` detections of all classes are matched
// at the foreground IoU f: each, best first, takes the free object of its class
// that it overlaps most, the first of equals. An unmatched detection is the first
// of these that applies, where b is the background IoU:
//
//   in an image without objects                                 background
//   b <= IoU <= f with an object of its class                   localization
//   IoU >= f with an object of another class                    classification
//   IoU >= f with an object of its class that has been found    duplicate
//   IoU <= b with every object                                  background
//   anything else: wrong class and badly placed                 both
//
// Crowds are ignore regions: a false detection with a share of more than f in a crowd
// of its class does not count against precision. It still has a kind, because with
// the right place or class it might have found an object. An object that is not
// found is `missed` unless correcting a localization or classification error would
// find it.
//
// Source: D. Bolya et al., "TIDE: A General Toolbox for Identifying Object
// Detection Errors", ECCV 2020, Sec. 2; the rules of ties and regions are those
// of tidecv 1.0.1. oracle_fixes.h says what each kind costs.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(DetectionErrors errors, FindDetectionErrors(truth, detections));
//   const int64_t missed = errors.counts[kMissedError];

#ifndef RCNN_EVAL_ERRORS_DETECTION_ERRORS_H_
#define RCNN_EVAL_ERRORS_DETECTION_ERRORS_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/eval/coco_similarity.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/ground_truth.h"
#include "rcnn/eval/image_lists.h"

namespace rcnn::eval {

// The first six in the order in which TIDE shows them.
enum ErrorKind : uint8_t {
  kClassificationError = 0,
  kLocalizationError = 1,
  kBothError = 2,
  kDuplicateError = 3,
  kBackgroundError = 4,
  kMissedError = 5,
  // A detection that found an object; an object that was found, or that correcting
  // an error would find.
  kNoError = 6,
  // Beyond max_detections or of an unlisted image or class; a region to ignore.
  kNotJudged = 7,
};
inline constexpr int kErrorKinds = 6;

// "Cls", "Loc", "Both", "Dupe", "Bkg", "Miss".
const char* ErrorName(int kind);

// "wrong class", "badly placed", ...
const char* ErrorTitle(int kind);

struct DetectionErrorOptions {
  // 0 < background_iou <= foreground_iou <= 1.
  double foreground_iou = 0.5;
  double background_iou = 0.1;
  // Of an image, all classes together; >= 1.
  int64_t max_detections = 100;
  // VOC: difficult objects are regions to ignore as crowds are.
  bool ignore_difficult = false;
  // Compares masks (IoU) or keypoints (OKS) instead of boxes; null: boxes. Must
  // outlive the call.
  const CocoSimilarity* shapes = nullptr;
  // 0: all cores.
  int threads = 0;
};

using ErrorCounts = std::array<int64_t, kErrorKinds>;

struct DetectionErrors {
  DetectionErrorOptions options;
  ImageLists lists;
  // [D] and [G] of ErrorKind.
  std::vector<uint8_t> detections;
  std::vector<uint8_t> annotations;
  // [D]: lies in a region to ignore, so that it does not count against precision.
  std::vector<uint8_t> ignored;
  // [D]: would find its object with a corrected place or class. It has the best
  // score of all such detections of the object; the others would be duplicates.
  std::vector<uint8_t> would_find;
  // [D]: position in GroundTruth::annotations of the object that was found, or
  // that explains a localization, classification or duplicate error; else -1.
  std::vector<int64_t> objects;
  // [G]: the detection that found it, else -1.
  std::vector<int64_t> found_by;

  ErrorCounts counts = {};
  // [K] by the class of the detection, for missed objects that of the object.
  std::vector<ErrorCounts> class_counts;
  // [I]
  std::vector<ErrorCounts> image_counts;
};

// kInvalidArgument for an option outside of its range, a score that is not
// finite, naming the detection, and for 2^32 or more detections. `truth` is
// normalized. Items of unlisted images or classes are not judged.
absl::StatusOr<DetectionErrors> FindDetectionErrors(const GroundTruth& truth,
                                                    const Detections& detections,
                                                    const DetectionErrorOptions& options = {});

// Whether an annotation is a region to ignore rather than an object. An object
// without a labelled keypoint is.
inline bool IsRegion(const Annotation& annotation, const DetectionErrorOptions& options) {
  return annotation.crowd || annotation.ignored ||
         (options.ignore_difficult && annotation.difficult);
}

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_ERRORS_DETECTION_ERRORS_H_
