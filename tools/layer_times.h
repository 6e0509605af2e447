// How long each layer of a detector takes alone, with the floating-point operations and the bytes
// that it cannot do without: the figures of a roofline (tools/peers/roofline.py).
//
// Layers of the same kind with inputs of the same size are one row.
//
// Example:
//   const detection::LayerCalls calls;
//   model->Detect(images, sizes, original_sizes);
//   const std::vector<LayerTime> times = TimeLayers(*model, calls.calls(), /*repeats=*/5);

#ifndef RCNN_TOOLS_LAYER_TIMES_H_
#define RCNN_TOOLS_LAYER_TIMES_H_

#include <torch/nn/module.h>

#include <cstdint>
#include <string>
#include <vector>

#include "rcnn/detection/convolution/precision.h"
#include "rcnn/detection/layer_calls.h"

namespace rcnn::tools {

struct LayerTime {
  std::string name;  // of the first layer of its kind, "backbone.layer1.0.conv1"
  // "Winograd", "matrix product", "product of patches", "LibTorch", or with bfloat16 products
  std::string method;
  std::string shape;  // "3 x 3, 1 x 64 x 200 x 272 to 64"
  int64_t calls = 0;
  // The rest is of one call.
  double gflop = 0;       // of the definition, two for each multiplication
  double multiplied = 0;  // of the products that the method computes
  double megabytes = 0;   // of input, weights and output in float32, each once
  double ms = 0;          // the median
};

// Prepared layers of `model` with random inputs; `calls` are of its layers, as a detection on the
// CPU makes them. In order of the first call. `repeats` >= 1, after one run that is not timed.
std::vector<LayerTime> TimeLayers(const torch::nn::Module& model,
                                  std::vector<detection::LayerCall> calls, int repeats);

// What the machine reaches with the same threads.
struct MachineLimits {
  double gflops = 0;                // LibTorch's products of matrices 2048 x 2048, per second
  double gigabytes_per_second = 0;  // read and written, by copying 256 MB
};
// `precision`: of the matrices.
MachineLimits MeasureMachine(int repeats, detection::Precision precision);

// One JSON object: "layers", a list of objects with the members of LayerTime, "gflops" and
// "gigabytes_per_second".
std::string LayerTimesJson(const std::vector<LayerTime>& times, const MachineLimits& limits);

}  // namespace rcnn::tools

#endif  // RCNN_TOOLS_LAYER_TIMES_H_
