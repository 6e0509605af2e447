#include "rcnn/detection/resnet.h"

#include <ATen/ATen.h>

#include <string>
#include <utility>

#include "rcnn/detection/convolve_and_pool.h"

namespace rcnn::detection {
namespace {

// Rows of the first map in a band. LibTorch computes two more for each band, so a band has more
// rows than in a block of VGG16, in about as many bytes.
constexpr int64_t kStemRows = 64;

int64_t NumLayers(const ResNetOptions& options) { return options.pyramid ? 4 : 3; }

std::vector<FeatureLevel> Levels(const ResNetOptions& options) {
  const ResNetShape shape = FindResNetShape(options.depth);
  std::vector<FeatureLevel> levels;
  int64_t stride = options.conv1_stride * (options.stem_pool ? 2 : 1);
  for (int64_t layer = 1; layer <= NumLayers(options); ++layer) {
    stride *= options.layer_strides[layer - 1];
    if (options.pyramid || layer == 3) levels.push_back({shape.OutChannels(layer), stride});
  }
  return levels;
}

std::vector<FreezableStage> Stages(const ResNetOptions& options) {
  std::vector<FreezableStage> stages = {{"conv1"}};
  if (options.norm.kind != NormOptions::kNone) stages[0].push_back("bn1");
  for (int64_t layer = 1; layer <= NumLayers(options); ++layer) {
    stages.push_back({"layer" + std::to_string(layer)});
  }
  return stages;
}

ConvOptions Stem(int64_t stride) {
  ConvOptions options;
  options.in_channels = 3;
  options.out_channels = 64;
  options.kernel = 7;
  options.stride = stride;
  options.padding = 3;
  options.activation = Activation::kRelu;
  return options;
}

}  // namespace

ResNet::ResNet(const ResNetOptions& options)
    : Backbone(Levels(options), Stages(options)),
      options_(options),
      conv1_(AddConv(*this, "conv1", Stem(options.conv1_stride), "bn1", options.norm)) {
  const ResNetShape shape = FindResNetShape(options.depth);
  for (int64_t layer = 1; layer <= NumLayers(options); ++layer) {
    layers_.push_back(
        register_module("layer" + std::to_string(layer),
                        std::make_shared<ResidualLayer>(
                            shape, layer, options.layer_strides[layer - 1], options.norm)));
  }
}

std::vector<BatchMap> ResNet::Compute(BatchMap images) const {
  BatchMap x = options_.stem_pool
                   ? ConvolveAndPool({conv1_}, {/*kernel=*/3, /*stride=*/2, /*padding=*/1},
                                     std::move(images), kStemRows)
                   : conv1_->ForwardConsuming(std::move(images));
  std::vector<BatchMap> maps;
  for (const auto& layer : layers_) {
    x = layer->Forward(std::move(x));
    if (options_.pyramid) maps.push_back(x);
  }
  if (!options_.pyramid) maps.push_back(std::move(x));
  return maps;
}

}  // namespace rcnn::detection
