// Layers whose weights will come from elsewhere need not be filled with zeros.
//
// Filling touches every page of the weights, which costs time and memory. While an object exists,
// convolutions and linear layers that its thread creates have weights and biases of arbitrary
// values, whose memory is not touched. They are lasting blocks (base/aligned_block.h): weights that
// are dropped leave no holes.
//
// Example:
//   const UnfilledWeights unfilled;
//   const at::Tensor weight = NewWeights({64, 3, 7, 7});

#ifndef RCNN_DETECTION_UNFILLED_WEIGHTS_H_
#define RCNN_DETECTION_UNFILLED_WEIGHTS_H_

#include <ATen/core/Tensor.h>

namespace rcnn::detection {

class UnfilledWeights {
 public:
  UnfilledWeights();
  ~UnfilledWeights();
  UnfilledWeights(const UnfilledWeights&) = delete;
  UnfilledWeights& operator=(const UnfilledWeights&) = delete;

 private:
  bool before_;
};

// Float32 zeros, or, while an UnfilledWeights exists on this thread, arbitrary values.
at::Tensor NewWeights(at::IntArrayRef sizes);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_UNFILLED_WEIGHTS_H_
