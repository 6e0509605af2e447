// Reads detections from text: VOC's files by class, YOLO's by image, CSV.
//
//   VOC   comp4_det_test_<class>.txt, in a folder or alone: a line is
//         "image score xmin ymin xmax ymax", first and last pixel, 1-based
//   YOLO  <image>.txt in a folder: a line is "class x y width height confidence",
//         class a number from 0 in the order of the dataset's categories, the
//         centre and size as fractions of the image's
//   CSV   a header with image, class, xmin, ymin, xmax, ymax, score, in any order
//         and possibly others, then a line for each detection; pixels, 0-based
//         edges; separated by commas, semicolons or tabs, or by what a first line
//         "sep=;" names; quoted as in RFC 4180, without line breaks in a field. Where
//         the separator is not a comma, numbers may have decimal commas
//
// Text is UTF-8, or UTF-16 with a byte order mark as some spreadsheets save it.
//
// Images are identified by the path of the dataset's file or, if it is unique, by its
// name with or without extension.
//
// Errors, kInvalidArgument, name the file and the line: a wrong number of fields, a
// value that is not a number or not finite, a negative size, pixels in a YOLO file, an
// unknown or ambiguous image, an unknown class; also two VOC files of one class, a
// column that a CSV file has twice, and numbers with a comma beside ones with a point.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(Detections results, ReadTextResults("results/", truth));

#ifndef RCNN_EVAL_TEXT_RESULTS_H_
#define RCNN_EVAL_TEXT_RESULTS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {

// Whether the path has one of these forms (a folder, a .txt or a .csv file) and not
// COCO JSON.
bool IsTextResults(const std::string& path);

// Files of a folder are read in order of their names. `truth` is normalized; YOLO
// needs the sizes of its images. skipped: if it is given, detections of unknown classes
// are counted there and left out instead of being an error.
absl::StatusOr<Detections> ReadTextResults(const std::string& path, const GroundTruth& truth,
                                           int64_t* skipped = nullptr);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_TEXT_RESULTS_H_
