// Why each false detection is false and what became of each object, as TIDE
// defines it.
//
// On each image the best `max_detections` detections of all classes are matched
// at the foreground IoU f: each, best first, takes the free object of its class
// that it overlaps most, the first of equals. One that is left over is, in this
// order, with b the background IoU,
//
//   in an image without objects                                 background
//   b <= IoU <= f with an object of its class                   localization
//   IoU >= f with an object of another class                    classification
//   IoU >= f with an object of its class that has been found    duplicate
//   IoU <= b with every object                                  background
//   anything else: wrong class and badly placed                 both
//
// Crowds are regions to be ignored: a false detection of which more than f lies
// in a crowd of its class does not count against precision, yet has a kind, for
// with the right place or class it might have found an object. An object
// that is not found is `missed` unless a localization or classification error
// would find it if that were mended.
//
// Source: D. Bolya et al., "TIDE: A General Toolbox for Identifying Object
// Detection Errors", ECCV 2020, Sec. 2; the rules of ties and regions are those
// of tidecv 1.0.1. oracle_fixes.h says what each kind costs.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(DetectionErrors errors, FindDetectionErrors(truth, detections));
//   printf("%d missed\n", errors.counts[kMissedError]);

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
  // A detection that found an object, an object that was found or that a mended
  // error would find.
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
  // Masks or keypoints, whose IoU or OKS then decides; null: boxes. Must outlive what
  // the options are given to.
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
  // [D]: would find its object if its place or class were mended: of all such
  // detections of an object it has the best score. The others would be duplicates.
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
