// How much memory a detector's tensors take on an image, before it is given the image.
//
// Feature maps are proportional to the pixels that the network sees. So it is run on two
// blank images of at most two million pixels, and larger ones are extrapolated. Besides the tensors
// there are the weights and some scratch of the convolutions, which do not grow with the image.
//
// Example:
//   const DetectionMemory memory = DetectionMemory::Measure(*model);
//   memory.Bytes(4000 * 6000);

#ifndef RCNN_DETECTION_DETECTION_MEMORY_H_
#define RCNN_DETECTION_DETECTION_MEMORY_H_

#include <cstdint>

#include "rcnn/detection/faster_rcnn.h"

namespace rcnn::detection {

// With fewer input pixels a network takes little memory, and callers need not ask.
inline constexpr int64_t kManyInputPixels = int64_t{1} << 21;

class DetectionMemory {
 public:
  // `model` has an RPN and a head, and is not training(). Throws what FasterRcnn::Detect throws.
  static DetectionMemory Measure(const FasterRcnn& model);

  // For an image that has `input_pixels` as the network sees it, padding included.
  int64_t Bytes(int64_t input_pixels) const;

 private:
  double constant_ = 0;
  double per_pixel_ = 0;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_DETECTION_MEMORY_H_
