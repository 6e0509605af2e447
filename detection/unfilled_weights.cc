#include "rcnn/detection/unfilled_weights.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

namespace rcnn::detection {
namespace {

thread_local bool unfilled = false;

}  // namespace

UnfilledWeights::UnfilledWeights() : before_(unfilled) { unfilled = true; }

UnfilledWeights::~UnfilledWeights() { unfilled = before_; }

at::Tensor NewWeights(at::IntArrayRef sizes) {
  return unfilled ? at::empty(sizes, at::kFloat) : at::zeros(sizes, at::kFloat);
}

}  // namespace rcnn::detection
