// Detections (boxes with class and score) as plain arrays and as COCO results JSON.
//
// The file is the array of records
//   {"image_id": 42, "category_id": 18, "bbox": [x, y, width, height], "score": 0.9}
// that COCO's evaluation servers take. Record i of the file is detection i.
// detections_reader.h reads it.
//
// Example:
//   Detections detections;
//   detections.Add({.image_id = 42, .category_id = 18, .box = {10, 20, 30, 40}, .score = 0.9});
//   RCNN_RETURN_IF_ERROR(WriteDetections("detections.json", detections));

#ifndef RCNN_EVAL_DETECTIONS_H_
#define RCNN_EVAL_DETECTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {

struct Detection {
  int64_t image_id = 0;
  int64_t category_id = 0;
  XywhBox box;
  double score = 0;
};

// A structure of arrays with equal lengths.
struct Detections {
  std::vector<int64_t> image_ids;
  std::vector<int64_t> category_ids;
  std::vector<XywhBox> boxes;
  std::vector<double> scores;

  int64_t size() const { return static_cast<int64_t>(scores.size()); }
  void Reserve(int64_t count);
  // Reserves memory for `times` copies of `part`.
  void ReserveLike(const Detections& part, double times);
  // Removes all detections but keeps the memory.
  void Clear();
  void Add(const Detection& detection);
  Detection operator[](int64_t i) const;
  // Appends all of `other`.
  void Append(const Detections& other);
};

// kInvalidArgument, naming the value, if the score or the box is not finite, or width or
// height is negative.
absl::Status CheckNumbers(const Detection& detection);

// Checks every detection against the dataset: its image and category are
// listed, and CheckNumbers.
// kInvalidArgument naming the first offending record (counted from 0) and value.
absl::Status ValidateDetections(const Detections& detections, const GroundTruth& truth);

// Detections as COCO results JSON, one record per line, numbers in the fewest digits
// that read back as the same double. Non-finite numbers are kInvalidArgument,
// because JSON cannot express them.
absl::StatusOr<std::string> DetectionsToJson(const Detections& detections);

// Writes DetectionsToJson piece by piece; the file is written completely or not at
// all.
absl::Status WriteDetections(const std::string& path, const Detections& detections);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_DETECTIONS_H_
