// Infers what the corners of a VOC dataset mean from all of its boxes.
//
// The format defines corners as the first and last pixel, counted from 1. Many tools count
// from 0 or write the edges of the box. A single file is ambiguous, a whole dataset is not:
// boxes at the left or top border start at 0 or at 1, and boxes at the right or bottom
// border end at the image's size or one pixel before it.
//
// Example:
//   CoordinateVotes votes;
//   for (const std::array<double, 4>& corners : boxes) votes.Add(corners, width, height);
//   votes.Recognise();  // configs::ZERO_BASED_INCLUSIVE

#ifndef RCNN_DATA_VOC_VOC_COORDINATES_H_
#define RCNN_DATA_VOC_VOC_COORDINATES_H_

#include <array>
#include <cstdint>
#include <string>

#include "rcnn/configs/dataset.pb.h"

namespace rcnn::data {

class CoordinateVotes {
 public:
  // xmin, ymin, xmax, ymax as in the file, of an image of this size (0: unknown).
  void Add(const std::array<double, 4>& corners, int64_t width, int64_t height);

  // ONE_BASED_INCLUSIVE unless more boxes begin in [0, 1) than in [1, 2). Then CONTINUOUS, if
  // most boxes have a corner with a fraction or at least as many boxes end at the image's size
  // as one pixel before it; else ZERO_BASED_INCLUSIVE.
  configs::VocCoordinates Recognise() const;

  // The counts, for a message: "of 9 boxes, 2 begin at 0 and ...".
  std::string ToString() const;

 private:
  int64_t boxes_ = 0;
  int64_t fractional_ = 0;
  int64_t begin_at_0_ = 0;
  int64_t begin_at_1_ = 0;
  int64_t end_at_size_ = 0;
  int64_t end_before_size_ = 0;
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_VOC_VOC_COORDINATES_H_
