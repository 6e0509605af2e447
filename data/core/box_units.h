// Boxes in pixels, and boxes in fractions of the image.
//
// Some programs write the fractions of a YOLO file into another format. Read as pixels,
// every object would be a speck in the corner of its image.
//
// Example:
//   FractionCheck check;
//   for (const std::array<double, 4>& xywh : boxes) check.Add(xywh, width, height);
//   RCNN_RETURN_IF_ERROR(check.Check(config), file);

#ifndef RCNN_DATA_CORE_BOX_UNITS_H_
#define RCNN_DATA_CORE_BOX_UNITS_H_

#include <array>
#include <cstdint>

#include "absl/status/status.h"
#include "rcnn/configs/dataset.pb.h"

namespace rcnn::data {

// Converts the box to pixels if the config says that its numbers are fractions.
std::array<double, 4> InPixels(const configs::DatasetConfig& config,
                               const std::array<double, 4>& xywh, double width, double height);

class FractionCheck {
 public:
  // Adds a box as in the file, with the size of its image in pixels. Boxes that are not
  // finite or have no area do not count.
  void Add(const std::array<double, 4>& xywh, double width, double height);

  // A box in pixels was found, so further boxes change nothing.
  bool decided() const { return !all_within_; }

  // kInvalidArgument, naming the field, if the config does not set the units and the numbers
  // look like fractions: every box is within 0..1, images are larger than that, and some
  // number is not whole.
  absl::Status Check(const configs::DatasetConfig& config) const;

 private:
  int64_t boxes_ = 0;
  bool all_within_ = true;
  bool has_fraction_ = false;
  std::array<double, 4> first_ = {};
  double width_ = 0;  // of the largest image
  double height_ = 0;
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_BOX_UNITS_H_
