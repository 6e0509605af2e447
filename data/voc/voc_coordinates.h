// What the corners of a VOC dataset mean, told by all of them.
//
// The format says first and last pixel counted from 1; many tools write pixels counted
// from 0, or the edges of the box. One file does not tell, a whole set does: boxes at the
// left or top of an image begin at 0 or at 1, and boxes at its right or bottom end at the
// image's size or one before it.
//
// Example:
//   CoordinateVotes votes;
//   for (...) votes.Add(object.corners, width, height);
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

  // ONE_BASED_INCLUSIVE unless more boxes begin below 1 than in [1, 2). Then CONTINUOUS, if
  // most corners have fractions or at least as many boxes end at the image's size as one
  // pixel before it; else ZERO_BASED_INCLUSIVE.
  configs::VocCoordinates Recognise() const;

  // What was counted, for a message.
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
