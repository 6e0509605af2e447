// The cost of each kind of error: the average precision (AP) gained by fixing that
// kind alone.
//
// An oracle fixes all errors of one kind, and AP is measured again at the
// foreground IoU and 101 recalls:
//
//   wrong class, badly placed    becomes a hit if it is the best detection that
//                                would find the object; otherwise it is removed
//   duplicate, background, both  removed
//   missed                       the object is not required
//   all false positives          each hit gets score 1, each false one score 0
//   all false negatives          objects that were not found are not required
//
// Kinds interact, so their dAP do not add up to 1 - AP.
//
// Detections of equal score are in order of image and rank; after a fix, the fixed
// ones come first. tidecv does the same, and a few decimals depend on it.
//
// Source: D. Bolya et al., "TIDE: A General Toolbox for Identifying Object
// Detection Errors", ECCV 2020, Sec. 2.2; tidecv 1.0.1, whose numbers (in
// percent) these are.
//
// Example:
//   const OracleFixes fixes = MeasureOracleFixes(truth, detections, errors);
//   printf("AP50 %.3f, duplicates cost %.3f\n", fixes.ap, fixes.dap[kDuplicateError]);

#ifndef RCNN_EVAL_ERRORS_ORACLE_FIXES_H_
#define RCNN_EVAL_ERRORS_ORACLE_FIXES_H_

#include <array>
#include <cstdint>
#include <vector>

#include "rcnn/eval/errors/detection_errors.h"

namespace rcnn::eval {

// By area of the box, of the object where the error has one: small <= 32 x 32 <
// medium <= 96 x 96 < large, in square pixels.
inline constexpr int kErrorSizes = 3;
const char* ErrorSizeName(int size);

struct ClassFixes {
  // Required objects, and detections that count.
  int64_t objects = 0;
  int64_t detections = 0;
  // In [0, 1]; a class without objects has 0.
  double ap = 0;
  // The gain of each fix. May be negative: fixing a wrong class moves its detection to
  // another class.
  std::array<double, kErrorKinds> dap = {};
  double false_positives = 0;
  double false_negatives = 0;
};

struct OracleFixes {
  // Means over the classes that have an object or a detection; 0 if none has.
  // dap: at least 0, as TIDE has it.
  double ap = 0;
  std::array<double, kErrorKinds> dap = {};
  double false_positives = 0;
  double false_negatives = 0;
  // The same with only the errors of one size fixed, and their numbers.
  std::array<std::array<double, kErrorKinds>, kErrorSizes> size_dap = {};
  std::array<ErrorCounts, kErrorSizes> size_counts = {};
  std::vector<ClassFixes> classes;  // [K]
};

// `errors` are those of the same ground truth and detections.
OracleFixes MeasureOracleFixes(const GroundTruth& truth, const Detections& detections,
                               const DetectionErrors& errors);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_ERRORS_ORACLE_FIXES_H_
