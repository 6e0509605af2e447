// The ground truth for evaluating detections, as plain arrays.
//
// Contains only what the metrics need: no pixels, no segmentations. Filled from a
// COCO instances file by coco_ground_truth.h, and from any other dataset by
// dataset_ground_truth.h.

#ifndef RCNN_EVAL_GROUND_TRUTH_H_
#define RCNN_EVAL_GROUND_TRUTH_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rcnn::eval {

// A box as in COCO files: left, top, width, height in pixels, continuous
// coordinates.
struct XywhBox {
  double x = 0;
  double y = 0;
  double width = 0;
  double height = 0;

  bool operator==(const XywhBox& other) const {
    return x == other.x && y == other.y && width == other.width && height == other.height;
  }
};

// One object that a detector should find.
struct Annotation {
  int64_t id = 0;
  int64_t image_id = 0;
  int64_t category_id = 0;
  XywhBox box;
  // In square pixels; COCO uses the area of the segmentation, not of the box.
  double area = 0;
  // COCO: a group; it may match many detections, and missing it does not count.
  bool crowd = false;
  // VOC: the same for one object. COCO's metrics ignore this flag; VOC's metrics
  // use both flags.
  bool difficult = false;
  // COCO's keypoints: none is labelled. COCO's metrics ignore the object, but only one
  // detection can match it.
  bool ignored = false;
};

struct GroundTruthImage {
  int64_t id = 0;
  // Path of the image: full, or relative to the folder of images; may be empty. The name of a
  // generated image.
  std::string file;
  // The image is turned as its EXIF data say when it is decoded: boxes are of that view.
  bool exif_applied = false;
  // In pixels; 0 where the dataset does not say.
  int64_t width = 0;
  int64_t height = 0;
};

struct GroundTruthCategory {
  int64_t id = 0;
  std::string name;
};

// Invariants (Normalize() makes them): images and categories ascend by unique ids.
// Annotations keep the order of the file, which decides between equal IoUs; the
// metrics skip those of unlisted images or categories.
struct GroundTruth {
  std::vector<GroundTruthImage> images;
  std::vector<GroundTruthCategory> categories;
  std::vector<Annotation> annotations;
  // What the user should know about the file; each a sentence without a full stop.
  std::vector<std::string> warnings;
  // The category that was left out as the root of the others, whose detections are ignored.
  std::optional<int64_t> root_category_id = std::nullopt;

  // Sorts images and categories by id; the last of several with one id is kept.
  void Normalize();

  // Position of an id in `images` or `categories`, -1 if unknown. O(log n).
  int64_t ImageIndex(int64_t id) const;
  int64_t CategoryIndex(int64_t id) const;

  // Position of the category with this name, -1 if unknown.
  int64_t CategoryIndex(absl::string_view name) const;
};

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_GROUND_TRUTH_H_
