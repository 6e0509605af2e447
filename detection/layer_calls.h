// Which convolutions and fully connected layers a network calls, and with maps of which sizes.
//
// For measurements of single layers (tools/layer_times.h). Records the calls of its own thread.
//
// Example:
//   const LayerCalls calls;
//   model->Detect(images, sizes, original_sizes);
//   for (const LayerCall& call : calls.calls()) Use(*call.layer, call.input);

#ifndef RCNN_DETECTION_LAYER_CALLS_H_
#define RCNN_DETECTION_LAYER_CALLS_H_

#include <c10/util/ArrayRef.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <vector>

namespace rcnn::detection {

struct LayerCall {
  const torch::nn::Module* layer;
  std::vector<int64_t> input;  // [N, C, H, W] of one part of a batch, or [N, C]
};

class LayerCalls {
 public:
  // Records from now on, instead of an object that already exists on this thread.
  LayerCalls();
  ~LayerCalls();
  LayerCalls(const LayerCalls&) = delete;
  LayerCalls& operator=(const LayerCalls&) = delete;

  // In order.
  const std::vector<LayerCall>& calls() const { return calls_; }

 private:
  friend void RecordLayerCall(const torch::nn::Module& layer, c10::IntArrayRef input);

  std::vector<LayerCall> calls_;
  LayerCalls* before_;
};

// For layers. Does nothing unless a LayerCalls exists on this thread.
void RecordLayerCall(const torch::nn::Module& layer, c10::IntArrayRef input);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_LAYER_CALLS_H_
