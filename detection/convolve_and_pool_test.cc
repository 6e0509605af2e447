#include "rcnn/detection/convolve_and_pool.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/tensor_memory.h"

namespace rcnn::detection {
namespace {

at::Generator Generator(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

// Convolutions 3 x 3 with random weights between these numbers of channels.
struct Block {
  explicit Block(const std::vector<int64_t>& channels) {
    for (size_t i = 0; i + 1 < channels.size(); ++i) {
      ConvOptions options;
      options.in_channels = channels[i];
      options.out_channels = channels[i + 1];
      options.activation = Activation::kRelu;
      Add(options);
    }
  }

  void Add(const ConvOptions& options) {
    convs.push_back(AddConv(*module, "conv" + std::to_string(convs.size()), options));
    ResetParameters(*module, Generator(1));
    const at::NoGradGuard no_grad;
    for (const auto& conv : convs) conv->bias().normal_(0, 0.1, Generator(2));
    module->eval();
  }

  at::Tensor LayerByLayer(at::Tensor x, const MaxPoolOptions& pool) const {
    for (const auto& conv : convs) x = conv->Forward(x);
    return MaxPool(x, pool);
  }

  std::shared_ptr<torch::nn::Module> module = std::make_shared<torch::nn::Module>();
  std::vector<std::shared_ptr<Conv>> convs;
};

// The first convolution of a ResNet, with fewer channels.
Block Stem() {
  ConvOptions options;
  options.in_channels = 3;
  options.out_channels = 16;
  options.kernel = 7;
  options.stride = 2;
  options.padding = 3;
  options.activation = Activation::kRelu;
  Block stem({3});
  stem.Add(options);
  return stem;
}

at::Tensor Image(int64_t channels, int64_t height, int64_t width) {
  return at::randn({1, channels, height, width}, Generator(3));
}

// A first convolution of three channels and those by Winograd's method, as in VGG16, with kernels
// that are kept transformed and one whose are not; bands that end inside or at the end of the map;
// and odd sizes under both rules of pools.
TEST(ConvolveAndPoolTest, BandsHaveTheBitsOfLayers) {
  const at::NoGradGuard no_grad;
  for (const std::vector<int64_t>& channels : {std::vector<int64_t>{3, 16, 24},
                                               {16, 20, 18},
                                               {16, 16},
                                               {3, 16, 16, 16, 16},
                                               {16, 128, 128, 16}}) {
    const Block block(channels);
    PrepareForInference(*block.module);
    for (const int64_t height : {32, 33, 37, 39}) {
      const at::Tensor x = Image(channels.front(), height, 21);
      for (const bool ceil_mode : {false, true}) {
        const MaxPoolOptions pool = {2, 2, 0, ceil_mode};
        const at::Tensor expected = block.LayerByLayer(x, pool);
        for (const int64_t rows : {4, 8}) {
          const BatchMap y = ConvolveAndPool(block.convs, pool, x, rows);
          ASSERT_EQ(y.parts.size(), 1u);
          EXPECT_TRUE(y.parts.front().equal(expected))
              << channels.size() << ": " << height << " " << ceil_mode << " " << rows;
        }
      }
    }
  }
}

// In training, the ReLUs' gradients are computed with those of the layers after them.
TEST(ConvolveAndPoolTest, GradientsHaveTheBitsOfLayers) {
  const Block blocks[] = {Block({3, 16, 24}), Block({16, 20, 18}), Stem()};
  for (const Block& block : blocks) {
    const auto train = [&](bool together) {
      const MaxPoolOptions pool = {3, 2, 1, false};
      const at::Tensor x =
          Image(block.convs.front()->options().in_channels, 70, 80).requires_grad_();
      const at::Tensor y = together ? ConvolveAndPool(block.convs, pool, x).parts.front()
                                    : block.LayerByLayer(x, pool);
      y.backward(at::randn(y.sizes(), Generator(4)));
      std::vector<at::Tensor> results = {y.detach(), x.grad()};
      for (at::Tensor& parameter : block.module->parameters()) {
        results.push_back(parameter.grad());
        parameter.mutable_grad() = at::Tensor();
      }
      return results;
    };
    const auto found = train(true), expected = train(false);
    for (size_t i = 0; i < found.size(); ++i) EXPECT_TRUE(found[i].equal(expected[i])) << i;
  }
}

// Windows that overlap, that see padding, and that reach into the next band but one.
TEST(ConvolveAndPoolTest, BandsOfAStemHaveTheBitsOfLayers) {
  const at::NoGradGuard no_grad;
  const Block stem = Stem();
  PrepareForInference(*stem.module);
  for (const int64_t height : {64, 67, 71, 78}) {
    const at::Tensor x = Image(3, height, 37);
    for (const MaxPoolOptions& pool : {MaxPoolOptions{3, 2, 1, false},
                                       {3, 2, 1, true},
                                       {3, 2, 0, false},
                                       {5, 1, 2, false},
                                       {9, 2, 4, false},
                                       {3, 3, 0, true},
                                       {2, 3, 1, false}}) {
      const at::Tensor expected = stem.LayerByLayer(x, pool);
      for (const int64_t rows : {4, 8}) {
        const BatchMap y = ConvolveAndPool(stem.convs, pool, x, rows);
        EXPECT_TRUE(y.parts.front().equal(expected))
            << height << ": " << pool.kernel << " " << pool.stride << " " << rows;
      }
    }
  }
}

// Strided first, as no network here has it.
TEST(ConvolveAndPoolTest, ConvolutionsAfterAStemHaveTheBitsOfLayers) {
  const at::NoGradGuard no_grad;
  Block block = Stem();
  ConvOptions options;
  options.in_channels = options.out_channels = 16;
  block.Add(options);
  PrepareForInference(*block.module);
  const MaxPoolOptions pool = {3, 2, 1, false};
  for (const int64_t height : {64, 71}) {
    const at::Tensor x = Image(3, height, 37);
    EXPECT_TRUE(ConvolveAndPool(block.convs, pool, x, /*band_rows=*/4)
                    .parts.front()
                    .equal(block.LayerByLayer(x, pool)));
  }
}

TEST(ConvolveAndPoolTest, BandsOfAStemTakeLessMemoryThanItsMap) {
  const at::NoGradGuard no_grad;
  const Block stem = Stem();
  PrepareForInference(*stem.module);
  if (stem.convs.front()->Packed(Image(3, 8, 8)) == nullptr) {
    GTEST_SKIP() << "this LibTorch has no packed convolutions";
  }
  const at::Tensor x = Image(3, 1024, 64);
  const int64_t map = 16 * 512 * 32 * 4;
  const TensorMemory memory;
  ConvolveAndPool(stem.convs, {3, 2, 1, false}, x, /*band_rows=*/16);
  EXPECT_LE(memory.peak_bytes(), map / 2);
}

TEST(ConvolveAndPoolTest, BandsTakeLessMemoryThanTheMaps) {
  const at::NoGradGuard no_grad;
  const Block block({16, 64, 64});
  PrepareForInference(*block.module);
  const at::Tensor x = Image(16, 256, 64);
  const int64_t map = 64 * 256 * 64 * 4;
  const auto peak = [&](int64_t band_rows) {
    const TensorMemory memory;
    ConvolveAndPool(block.convs, {}, x, band_rows);
    return memory.peak_bytes();
  };
  EXPECT_GE(peak(256), map);
  EXPECT_LE(peak(16), map / 2);
}

TEST(ConvolveAndPoolTest, UnpreparedLayersHaveGradients) {
  const Block block({16, 16, 16});
  const at::Tensor x = Image(16, 40, 20).requires_grad_();
  const BatchMap y = ConvolveAndPool(block.convs, {}, x, /*band_rows=*/4);
  EXPECT_TRUE(y.parts.front().equal(block.LayerByLayer(x, {})));
  y.parts.front().sum().backward();
  EXPECT_GT(x.grad().abs().sum().item<float>(), 0);
}

// Of several images, of which one has the size for bands; a batch; and another pool.
TEST(ConvolveAndPoolTest, EveryBatchAndPoolHasTheBitsOfLayers) {
  const at::NoGradGuard no_grad;
  const Block block({16, 16, 16});
  PrepareForInference(*block.module);
  const at::Tensor large = Image(16, 40, 20), small = Image(16, 4, 20);
  constexpr int64_t kRows = 4;
  BatchMap parts;
  parts.parts = {large, small};
  const BatchMap y = ConvolveAndPool(block.convs, {}, parts, kRows);
  ASSERT_EQ(y.parts.size(), 2u);
  EXPECT_TRUE(y.parts[0].equal(block.LayerByLayer(large, {})));
  EXPECT_TRUE(y.parts[1].equal(block.LayerByLayer(small, {})));
  const at::Tensor batch = at::cat({large, large});
  EXPECT_TRUE(ConvolveAndPool(block.convs, {}, batch, kRows)
                  .parts.front()
                  .equal(block.LayerByLayer(batch, {})));
  const MaxPoolOptions three = {3, 2, 1, false};
  EXPECT_TRUE(ConvolveAndPool(block.convs, three, large, kRows)
                  .parts.front()
                  .equal(block.LayerByLayer(large, three)));
}

TEST(ConvolveAndPoolTest, WrongChannelsAreAnError) {
  const at::NoGradGuard no_grad;
  const Block block({16, 16});
  PrepareForInference(*block.module);
  EXPECT_THROW(ConvolveAndPool(block.convs, {}, Image(15, 40, 20), 4), c10::Error);
}

}  // namespace
}  // namespace rcnn::detection
