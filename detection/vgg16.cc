#include "rcnn/detection/vgg16.h"

#include <ATen/ATen.h>

#include <string>
#include <utility>

#include "rcnn/detection/conv_chain.h"
#include "rcnn/detection/convolve_and_pool.h"

namespace rcnn::detection {
namespace {

// Output channels of the convolutions of each block.
const std::vector<std::vector<int64_t>>& Blocks() {
  static const auto& blocks = *new std::vector<std::vector<int64_t>>{
      {64, 64}, {128, 128}, {256, 256, 256}, {512, 512, 512}, {512, 512, 512}};
  return blocks;
}

std::string Name(size_t block, size_t i) {
  return "conv" + std::to_string(block + 1) + "_" + std::to_string(i + 1);
}

std::vector<FreezableStage> Stages() {
  std::vector<FreezableStage> stages;
  for (size_t block = 0; block < Blocks().size(); ++block) {
    FreezableStage stage;
    for (size_t i = 0; i < Blocks()[block].size(); ++i) stage.push_back(Name(block, i));
    stages.push_back(std::move(stage));
  }
  return stages;
}

}  // namespace

// Pools that round down need two cells each.
Vgg16::Vgg16(bool ceil_mode)
    : Backbone({{512, 16}}, Stages(), ceil_mode ? 1 : 16), ceil_mode_(ceil_mode) {
  ConvOptions options;
  options.in_channels = 3;
  options.activation = Activation::kRelu;
  for (size_t block = 0; block < Blocks().size(); ++block) {
    auto& convs = blocks_.emplace_back();
    for (size_t i = 0; i < Blocks()[block].size(); ++i) {
      options.out_channels = Blocks()[block][i];
      convs.push_back(AddConv(*this, Name(block, i), options));
      options.in_channels = options.out_channels;
    }
  }
}

std::vector<BatchMap> Vgg16::Compute(BatchMap images) const {
  BatchMap x = std::move(images);
  for (size_t block = 0; block + 1 < blocks_.size(); ++block) {
    x = ConvolveAndPool(blocks_[block], {/*kernel=*/2, /*stride=*/2, /*padding=*/0, ceil_mode_},
                        std::move(x));
  }
  return {ForwardChain(blocks_.back(), std::move(x))};
}

}  // namespace rcnn::detection
