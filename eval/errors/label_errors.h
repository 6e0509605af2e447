// Annotations that are likely wrong, because a detector trained on many others
// disagrees with them.
//
// A suspicion follows from the score s of a detection, its IoU, and m, the median
// IoU of the detections that find objects of the class (how well this detector
// places boxes):
//
//   missing      a detection on no object: s (1 - IoU), with the greatest IoU with
//                any object; one per place, the best
//   misplaced    the detections of the object overlap it badly: s (1 - (IoU / m)^2) of
//                the best detection of its class that overlaps no other object more,
//                0 if IoU >= m; reduced by the support of a detection that fits
//   wrong class  a detection of another class fits: s IoU / m, reduced by the support
//                of a detection of the object's class
//
// Support is the best s min(1, IoU / m) of other detections of the object's class;
// it reduces the score to score x (1 - support). Scores are in [0, 1]: how sure the
// detector is that the label is wrong. An object is suspected once, for its best
// reason. Crowds are not suspected, and nothing in them is missing.
//
// Detections should come from a model that has not seen these labels (another fold):
// a model that was trained on a wrong label may repeat it. Scores outside of
// [0, 1] are clamped.
//
// Source of the three kinds: U. Tkachenko, A. Thyagarajan, J. Mueller, "ObjectLab:
// Automated Diagnosis of Mislabeled Images in Object Detection Data",
// arXiv:2309.00832. The scores are different.
//
// Example:
//   for (const LabelSuspect& suspect : FindLabelErrors(truth, detections)) Use(suspect.score);

#ifndef RCNN_EVAL_ERRORS_LABEL_ERRORS_H_
#define RCNN_EVAL_ERRORS_LABEL_ERRORS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "rcnn/eval/coco_similarity.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {

enum class LabelErrorKind : uint8_t { kMissing, kMisplaced, kWrongClass };

// "missing", "misplaced", "wrong class".
const char* LabelErrorName(LabelErrorKind kind);

struct LabelErrorOptions {
  // Detections of a lower score are not used.
  double min_score = 0.1;
  // Suspects of a lower score are not listed.
  double min_suspicion = 0.05;
  // Compares masks or keypoints instead of boxes; null: boxes.
  const CocoSimilarity* shapes = nullptr;
  // 0: all cores.
  int threads = 0;
};

struct LabelSuspect {
  LabelErrorKind kind = LabelErrorKind::kMissing;
  double score = 0;
  int64_t image = 0;        // position in GroundTruth::images
  int64_t annotation = -1;  // position; -1: a missing one
  int64_t detection = 0;    // the one that disagrees
  double iou = 0;           // of the two; of a missing one with its nearest object
};

// The most suspicious first, equal ones in order of image. `truth` is normalized,
// scores are finite; items of unlisted images or classes are left out.
std::vector<LabelSuspect> FindLabelErrors(const GroundTruth& truth, const Detections& detections,
                                          const LabelErrorOptions& options = {});

// How the sentence of Explain shows the name of a class; null: as it is.
using ShowName = std::string (*)(absl::string_view name);

// The reason in a sentence: "dog, score 0.93, lies on this cat (IoU 0.88)".
// similarity: the name of what `iou` measures.
std::string Explain(const LabelSuspect& suspect, const GroundTruth& truth,
                    const Detections& detections, absl::string_view similarity = "IoU",
                    ShowName show_name = nullptr);

// COCO instances JSON for a labelling tool: the images that have a suspect (with their
// sizes where the dataset says them), the categories, and one annotation for each suspect, with the
// box and class of the detection, and the fields "score", "suspicion" (the kind), "reason" and, if
// there is one, "suspected_annotation_id". Ids of annotations are 1, 2, ... by rank.
std::string SuspectsToCocoJson(const std::vector<LabelSuspect>& suspects, const GroundTruth& truth,
                               const Detections& detections, absl::string_view similarity = "IoU");

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_ERRORS_LABEL_ERRORS_H_
