// What follows a convolution in training and is computed with it, and how the gradients of
// convolutions that follow each other are.
//
// The gradient of a ReLU sets that of its output to 0 where the output is, and those of a map's
// readers are added up. Each is a pass over the map, unless the convolution that computes the
// gradient does it while its sums are in registers. For that it has to know that its input is the
// output of a ReLU, and the convolution with that ReLU that it has nothing left to do:
// GradientLinks.
//
// Example, a residual block of two convolutions:
//   at::Tensor input;  // x, for the shortcut
//   y = TrainingPointwise(x, weight, bias, {{}, true, {/*output_is_masked=*/true, false, &input}});
//   y = TrainingPointwise(y, weight, bias, {input, true, {false, /*masks_input=*/true}});

#ifndef RCNN_DETECTION_CONVOLUTION_TRAINING_EPILOGUE_H_
#define RCNN_DETECTION_CONVOLUTION_TRAINING_EPILOGUE_H_

#include <ATen/core/Tensor.h>

namespace rcnn::detection {

struct GradientLinks {
  // The gradient of the output is masked by it when it comes back: all readers of the output have
  // masks_input. Only with a ReLU.
  bool output_is_masked = false;
  // x is the output of a ReLU: its gradient is 0 where x is at most 0. Readers may mask it again.
  bool masks_input = false;
  // Becomes x, for its other readers, whose gradients are then added where this convolution's is
  // computed. Null: there are none.
  at::Tensor* input = nullptr;
};

// In this order, after the bias.
struct TrainingEpilogue {
  at::Tensor add;  // of the output's shape, float32, on the CPU; undefined: nothing
  bool relu = false;
  GradientLinks links = {};
};

// What follows the gradient of the input, in this order; undefined: nothing.
struct GradientEpilogue {
  at::Tensor add;
  at::Tensor mask;  // where it is at most 0, the gradient is 0
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_TRAINING_EPILOGUE_H_
