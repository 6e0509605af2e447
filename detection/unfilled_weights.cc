#include "rcnn/detection/unfilled_weights.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>
#include <c10/util/accumulate.h>

#include <cstddef>

#include "rcnn/base/aligned_block.h"

namespace rcnn::detection {
namespace {

thread_local bool unfilled = false;

}  // namespace

UnfilledWeights::UnfilledWeights() : before_(unfilled) { unfilled = true; }

UnfilledWeights::~UnfilledWeights() { unfilled = before_; }

at::Tensor NewWeights(at::IntArrayRef sizes) {
  if (!unfilled) return at::zeros(sizes, at::kFloat);
  const auto bytes = static_cast<size_t>(c10::multiply_integers(sizes)) * sizeof(float);
  void* block = AllocateLastingBlock(bytes);
  TORCH_CHECK(block != nullptr, "not enough memory for weights of ", bytes, " bytes");
  return at::from_blob(block, sizes, &FreeBlock, at::kFloat);
}

}  // namespace rcnn::detection
