// Reads detections from text: VOC's files by class, YOLO's by image, CSV.
//
//   VOC   comp4_det_test_<class>.txt, in a folder or alone: a line is
//         "image score xmin ymin xmax ymax", first and last pixel, 1-based
//   YOLO  <image>.txt in a folder: a line is "class x y width height confidence",
//         class a number from 0 in the order of the dataset's categories, the
//         centre and size as fractions of the image's
//   CSV   a header with image, class, xmin, ymin, xmax, ymax, score, in any order
//         and possibly others, then a line for each detection; pixels, 0-based
//         edges; quoting as in RFC 4180, without line breaks in a field
//
// Images are identified by the path, the name, or the name without extension of
// the dataset's file, if it is unique.
//
// Errors, kInvalidArgument, name the file and the line: a wrong number of fields, a
// value that is not a number or not finite, a negative size, an unknown or ambiguous
// image, an unknown class.
//
// Example: RCNN_ASSIGN_OR_RETURN(Detections results, ReadTextResults("results/", truth));

#ifndef RCNN_EVAL_TEXT_RESULTS_H_
#define RCNN_EVAL_TEXT_RESULTS_H_

#include <string>

#include "absl/status/statusor.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {

// Whether the path has one of these forms (a folder, a .txt or a .csv file) and not
// COCO JSON.
bool IsTextResults(const std::string& path);

// Files of a folder are read in order of their names. `truth` is normalized; YOLO
// needs the sizes of its images.
absl::StatusOr<Detections> ReadTextResults(const std::string& path, const GroundTruth& truth);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_TEXT_RESULTS_H_
