#include "rcnn/detection/layer_calls.h"

namespace rcnn::detection {
namespace {

thread_local LayerCalls* current = nullptr;

}  // namespace

LayerCalls::LayerCalls() : before_(current) { current = this; }

LayerCalls::~LayerCalls() { current = before_; }

void RecordLayerCall(const torch::nn::Module& layer, c10::IntArrayRef input) {
  if (current != nullptr) current->calls_.push_back({&layer, input.vec()});
}

}  // namespace rcnn::detection
