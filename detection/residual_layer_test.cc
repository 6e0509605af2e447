#include "rcnn/detection/residual_layer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/tensor_memory.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/conv_chain.h"
#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/testing/slow_layers.h"

namespace rcnn::detection {
namespace {

constexpr double kEpsilon = 0.25;

NormOptions Norms(NormOptions::Kind kind = NormOptions::kFrozenBatchNorm) {
  NormOptions norm;
  norm.kind = kind;
  norm.epsilon = kEpsilon;
  return norm;
}

at::Tensor Map(int64_t channels, int64_t height = 5, int64_t width = 4) {
  return at::randn({2, channels, height, width}, at::detail::createCPUGenerator(3), at::kDouble);
}

// Convolution `conv` and norm `bn` of a block.
at::Tensor SlowPair(const torch::nn::Module& block, const std::string& conv, const std::string& bn,
                    const at::Tensor& x, int64_t stride) {
  const at::Tensor weight = FindTensor(block, conv + ".weight");
  return SlowBatchNorm(SlowConv(x, weight, {}, stride, weight.size(2) / 2), block, bn, kEpsilon);
}

// He et al., Fig. 5: the residual function, the shortcut, and a ReLU of their sum.
at::Tensor SlowBlock(const torch::nn::Module& block, const at::Tensor& x, int64_t stride,
                     bool bottleneck, const std::string& prefix = "") {
  const auto pair = [&](const std::string& i, const at::Tensor& from, int64_t by) {
    return SlowPair(block, prefix + "conv" + i, prefix + "bn" + i, from, by);
  };
  at::Tensor y = pair("1", x, bottleneck ? 1 : stride).clamp_min(0);
  y = pair("2", y, bottleneck ? stride : 1);
  if (bottleneck) y = pair("3", y.clamp_min(0), 1);
  const bool changes = FindTensor(block, prefix + "downsample.0.weight").defined();
  const at::Tensor shortcut =
      changes ? SlowPair(block, prefix + "downsample.0", prefix + "downsample.1", x, stride) : x;
  return (y + shortcut).clamp_min(0);
}

TEST(ResidualBlockTest, AddsTheShortcutToTheResidual) {
  for (const bool bottleneck : {false, true}) {
    for (const auto& [in, stride] :
         {std::pair(3, 1), std::pair(3, 2), std::pair(12, 1), std::pair(12, 2)}) {
      SCOPED_TRACE(::testing::Message() << bottleneck << " " << in << " stride " << stride);
      at::NoGradGuard no_grad;
      const int64_t width = bottleneck ? 3 : 12;  // 12 channels outside
      const auto block = std::make_shared<ResidualBlock>(in, width, stride, bottleneck, Norms());
      FillAtRandom(*block, 0.5, 6);
      block->to(at::kDouble);
      EXPECT_EQ(FindTensor(*block, "downsample.0.weight").defined(), in != 12 || stride != 1);
      const at::Tensor x = Map(in), before = x.clone();
      EXPECT_TRUE(
          Near(block->Forward(x).parts.front(), SlowBlock(*block, x, stride, bottleneck), 1e-11));
      EXPECT_TRUE(x.equal(before));
    }
  }
}

TEST(ResidualLayerTest, IsItsBlocksOfWhichTheFirstHasTheStride) {
  at::NoGradGuard no_grad;
  for (const int64_t stride : {1, 2}) {
    const auto layer = std::make_shared<ResidualLayer>(FindResNetShape(18), 1, stride, Norms());
    FillAtRandom(*layer, 0.1, 6);
    layer->to(at::kDouble);
    const at::Tensor x = Map(64, 4, 3);
    at::Tensor y = SlowBlock(*layer, x, stride, false, "0.");
    y = SlowBlock(*layer, y, 1, false, "1.");
    EXPECT_TRUE(Near(layer->Forward(x), y, 1e-11));
  }
}

TEST(ResidualLayerTest, TrainedNormsLearnThroughTheShortcut) {
  const auto layer =
      std::make_shared<ResidualLayer>(FindResNetShape(18), 1, 2, Norms(NormOptions::kBatchNorm));
  FillAtRandom(*layer, 0.1, 6);
  layer->Forward(Map(64).to(at::kFloat)).sum().backward();
  for (const auto& item : layer->named_parameters()) {
    if (!item.value().defined()) continue;
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_TRUE(item.value().grad().isfinite().all().item<bool>()) << item.key();
  }
}

// The output, and the gradients of x and all parameters.
template <typename Forward>
std::vector<at::Tensor> Train(const ResidualLayer& layer, const Forward& forward) {
  const auto draw = [](at::IntArrayRef sizes, uint64_t seed) {
    return at::randn(sizes, at::detail::createCPUGenerator(seed));
  };
  const at::Tensor x = draw({2, 64, 16, 16}, 3).requires_grad_();
  const at::Tensor y = forward(BatchMap(x)).parts.front();
  y.backward(draw(y.sizes(), 4));
  std::vector<at::Tensor> results = {y.detach(), x.grad()};
  for (at::Tensor& parameter : layer.parameters()) {
    if (!parameter.defined()) continue;
    results.push_back(parameter.grad());
    parameter.mutable_grad() = at::Tensor();
  }
  return results;
}

// Blocks of two convolutions and of three, of which the first changes the channels. No sum has more
// than one chunk where a second reader's gradient or the shortcut is added to it.
TEST(ResidualLayerTest, LinkedBlocksHaveTheBitsOfBlocksAlone) {
  if (!PanelProductAvailable()) GTEST_SKIP() << "this processor has no AVX2 and FMA";
  for (const int64_t depth : {18, 50}) {
    const auto layer = std::make_shared<ResidualLayer>(FindResNetShape(depth), 1, 1, Norms());
    FillAtRandom(*layer, 0.1, 6);
    const auto blocks = layer->children();
    MapSizes sizes = {{2, 64, 16, 16}};
    for (const auto& child : blocks) {
      const auto& block = dynamic_cast<const ResidualBlock&>(*child);
      EXPECT_TRUE(block.CanLink(sizes)) << depth;
      sizes = block.OutputSizes(sizes);
    }
    EXPECT_EQ(sizes, (MapSizes{{2, depth == 50 ? 256 : 64, 16, 16}}));
    const auto found = Train(*layer, [&](BatchMap x) { return layer->Forward(std::move(x)); });
    const auto expected = Train(*layer, [&](BatchMap x) {
      for (const auto& child : blocks) x = dynamic_cast<ResidualBlock&>(*child).Forward(x);
      return x;
    });
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_TRUE(found[i].equal(expected[i])) << depth << ": " << i;
      EXPECT_GT(found[i].abs().max().item<float>(), 0) << depth << ": " << i;
    }
  }
}

// Few pixels, other channels, and a norm that uses the batch's statistics.
TEST(ResidualLayerTest, SomeBlocksCannotBeLinked) {
  const auto layer = std::make_shared<ResidualLayer>(FindResNetShape(50), 1, 1, Norms());
  FillAtRandom(*layer, 0.1, 6);
  const auto& block = dynamic_cast<const ResidualBlock&>(*layer->children().front());
  EXPECT_FALSE(block.CanLink({{2, 64, 16, 16}, {1, 64, 5, 5}}));
  EXPECT_FALSE(block.CanLink({{2, 32, 16, 16}}));
  const auto trained =
      std::make_shared<ResidualLayer>(FindResNetShape(50), 1, 1, Norms(NormOptions::kBatchNorm));
  EXPECT_FALSE(
      dynamic_cast<const ResidualBlock&>(*trained->children().front()).CanLink({{2, 64, 16, 16}}));
}

TEST(ResNetShapeTest, HasThePublishedBlocks) {
  // Table 1 of the paper: layers in the name = convolutions + the stem and the fc layer.
  for (const int64_t depth : {18, 34, 50, 101}) {
    const ResNetShape shape = FindResNetShape(depth);
    int64_t blocks = 0;
    for (const int64_t count : shape.blocks) blocks += count;
    EXPECT_EQ(blocks * (shape.bottleneck ? 3 : 2) + 2, depth);
    EXPECT_EQ(shape.OutChannels(4), shape.bottleneck ? 2048 : 512);
    EXPECT_EQ(shape.OutChannels(1), shape.bottleneck ? 256 : 64);
  }
  EXPECT_THROW(FindResNetShape(20), c10::Error);
}

// A prepared layer reuses the memory of its own maps, and no other.
TEST(ResidualLayerTest, GivesTheSameAndKeepsItsInputWhenPrepared) {
  const at::NoGradGuard no_grad;
  for (const int64_t depth : {18, 50}) {
    for (const int64_t number : {1, 2}) {
      SCOPED_TRACE(::testing::Message() << "depth " << depth << " layer" << number);
      const auto layer =
          std::make_shared<ResidualLayer>(FindResNetShape(depth), number, number, Norms());
      FillAtRandom(*layer, 0.2, 6);
      layer->eval();
      const int64_t channels = number == 1 ? 64 : FindResNetShape(depth).OutChannels(number - 1);
      const at::Tensor x = Map(channels, 19, 22).to(at::kFloat), before = x.clone();
      const at::Tensor expected = layer->Forward(x);
      PrepareForInference(*layer);
      const at::Tensor y = layer->Forward(x);
      EXPECT_LE((y - expected).abs().max().item<double>(),
                1e-4 * expected.abs().max().item<double>());
      EXPECT_TRUE(x.equal(before));
      EXPECT_TRUE(layer->Forward(x).equal(y));
    }
  }
}

// Likewise where the images of a batch differ in size.
TEST(ResidualLayerTest, PreparedImagesOfABatchGiveWhatEachGivesAlone) {
  const at::NoGradGuard no_grad;
  for (const int64_t depth : {18, 50}) {
    const auto layer = std::make_shared<ResidualLayer>(FindResNetShape(depth), 1, 1, Norms());
    FillAtRandom(*layer, 0.2, 6);
    layer->eval();
    PrepareForInference(*layer);
    BatchMap x;
    for (const auto& [height, width] : {std::pair(19, 22), std::pair(11, 30)}) {
      x.parts.push_back(Map(64, height, width).narrow(0, 0, 1).to(at::kFloat));
    }
    const BatchMap before = ForEachPart(x, [](const at::Tensor& part) { return part.clone(); });
    const BatchMap y = layer->Forward(x);
    ASSERT_EQ(y.parts.size(), 2u);
    for (size_t p = 0; p < 2; ++p) {
      EXPECT_TRUE(x.parts[p].equal(before.parts[p])) << depth << " " << p;
      EXPECT_TRUE(y.parts[p].equal(layer->Forward(before.parts[p]))) << depth << " " << p;
    }
  }
}

// Of layer2 of ResNet-50, in units of the first convolution's map: the input of two, that map,
// which is as large as the shortcut's, and the second convolution's of a quarter.
TEST(ResidualLayerTest, AShortcutTakesTheMemoryOfTheFirstConvolution) {
  const at::NoGradGuard no_grad;
  const auto layer = std::make_shared<ResidualLayer>(FindResNetShape(50), 2, 2, Norms());
  FillAtRandom(*layer, 0.2, 6);
  layer->eval();
  PrepareForInference(*layer);
  const int64_t map = 128 * 48 * 64 * 4;
  const TensorMemory memory;
  layer->Forward(BatchMap(at::ones({1, 256, 48, 64})));
  EXPECT_LT(memory.peak_bytes(), 7 * map / 2);
}

// Of layer1 of ResNet-18, whose maps have one size: the input, and in each block two more.
TEST(ResidualLayerTest, FreesAMapThatIsMovedInAfterTheFirstBlock) {
  const at::NoGradGuard no_grad;
  const auto layer = std::make_shared<ResidualLayer>(FindResNetShape(18), 1, 1, Norms());
  FillAtRandom(*layer, 0.5, 6);
  layer->eval();
  PrepareForInference(*layer);
  const int64_t map = 64 * 96 * 128 * 4;
  const TensorMemory memory;
  layer->Forward(BatchMap(at::ones({1, 64, 96, 128})));
  EXPECT_LT(memory.peak_bytes(), 7 * map / 2);
}

}  // namespace
}  // namespace rcnn::detection
