// What follows a convolution in training and is computed with it.
//
// Example:
//   y = TrainingPointwise(x, weight, bias, {shortcut, /*relu=*/true});

#ifndef RCNN_DETECTION_CONVOLUTION_TRAINING_EPILOGUE_H_
#define RCNN_DETECTION_CONVOLUTION_TRAINING_EPILOGUE_H_

#include <ATen/core/Tensor.h>

namespace rcnn::detection {

// In this order, after the bias.
struct TrainingEpilogue {
  at::Tensor add;  // of the output's shape, float32, on the CPU; undefined: nothing
  bool relu = false;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_TRAINING_EPILOGUE_H_
