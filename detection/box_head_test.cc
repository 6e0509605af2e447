#include "rcnn/detection/box_head.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/residual_layer.h"
#include "rcnn/detection/testing/slow_layers.h"
#include "rcnn/ops/testing/queue_device.h"

namespace rcnn::detection {
namespace {

using ops::testing::QueueDevice;

at::Generator Generator(uint64_t seed = 3) { return at::detail::createCPUGenerator(seed); }

// A head with random weights, and the module that owns its layers.
struct Head {
  explicit Head(const std::string& text, int64_t channels = 3, int64_t size = 2) {
    configs::ParseTextOrDie(text, &config);
    head = std::make_unique<FcBoxHead>(owner, config, channels, size);
    FillAtRandom(owner, 0.6, 8);
    owner.to(at::kDouble);
  }

  // The layer called `name` and a ReLU.
  at::Tensor Slow(const std::string& name, const at::Tensor& x) const {
    return SlowLinear(x, FindTensor(owner, name + ".weight"), FindTensor(owner, name + ".bias"))
        .clamp_min(0);
  }

  configs::FcHeadConfig config;
  torch::nn::Module owner;
  std::unique_ptr<FcBoxHead> head;
};

at::Tensor Pooled(int64_t channels = 3, int64_t size = 2) {
  return at::randn({5, channels, size, size}, Generator(), at::kDouble);
}

// Channel, then row, then column.
at::Tensor Flat(const at::Tensor& pooled) {
  const int64_t channels = pooled.size(1), height = pooled.size(2), width = pooled.size(3);
  at::Tensor flat = at::empty({pooled.size(0), channels * height * width}, pooled.options());
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t i = 0; i < height * width; ++i) {
      flat.select(1, c * height * width + i)
          .copy_(pooled.select(1, c).select(1, i / width).select(1, i % width));
    }
  }
  return flat;
}

TEST(FcBoxHeadTest, IsLinearLayersOnTheFlattenedRoi) {
  const Head with("fc_channels: [9, 7, 4]");
  const at::Tensor expected = with.Slow("fc8", with.Slow("fc7", with.Slow("fc6", Flat(Pooled()))));
  EXPECT_TRUE(Near(with.head->Forward(Pooled(), c10::nullopt), expected, 1e-11));
  EXPECT_EQ(with.head->out_features(), 4);
  EXPECT_EQ(Head("").head->out_features(), 1024);
}

TEST(FcBoxHeadTest, ConvolutionsComeFirstWithTheirNorms) {
  const Head with(
      "conv_channels: [4, 6] conv_norm { frozen_batch_norm { epsilon: 0.1 } } "
      "fc_channels: 8");
  EXPECT_FALSE(FindTensor(with.owner, "conv1.bias").defined());
  at::Tensor x = Pooled();
  for (const std::string name : {"conv1", "conv2"}) {
    x = SlowConv(x, FindTensor(with.owner, name + ".weight"), {}, 1, 1);
    x = SlowBatchNorm(x, with.owner, name + "_norm", 0.1).clamp_min(0);
  }
  EXPECT_TRUE(Near(with.head->Forward(Pooled(), c10::nullopt), with.Slow("fc6", Flat(x)), 1e-11));
}

// As ZF was trained: nothing is scaled in training, so at test time activations are
// multiplied by the keep probability after each layer.
TEST(FcBoxHeadTest, TestTimeDropoutScalesByTheKeepProbability) {
  for (const double dropout : {0.5, 0.3}) {
    const Head with("fc_channels: [9, 7] dropout_scale: IN_TEST dropout: " +
                    std::to_string(dropout));
    const double keep = 1 - dropout;
    const at::Tensor fc6 = with.Slow("fc6", Flat(Pooled())) * keep;
    EXPECT_TRUE(
        Near(with.head->Forward(Pooled(), c10::nullopt), with.Slow("fc7", fc6) * keep, 1e-11));
  }
}

TEST(FcBoxHeadTest, TrainingTimeDropoutDoesNothingInTest) {
  const Head with("fc_channels: [9, 7] dropout: 0.5");
  EXPECT_TRUE(Near(with.head->Forward(Pooled(), c10::nullopt),
                   with.Slow("fc7", with.Slow("fc6", Flat(Pooled()))), 1e-11));
}

// Every activation is 0 or its value without dropout times `scale`; the fraction of kept
// ones is within five deviations of 1 - dropout.
void ExpectDropped(const Head& with, double keep, double scale) {
  const at::Tensor x = Pooled(), whole = with.Slow("fc6", Flat(x));
  const at::Tensor dropped = with.head->Forward(x, Generator(4));
  const at::Tensor active = whole > 1e-6;
  const at::Tensor kept = (dropped != 0).logical_and(active);
  EXPECT_TRUE(Near(dropped, whole * kept * scale, 1e-6));  // the mask is float32
  const double count = active.sum().item<double>(), share = kept.sum().item<double>() / count;
  EXPECT_GT(count, 500);
  EXPECT_NEAR(share, keep, 5 * std::sqrt(keep * (1 - keep) / count));
  EXPECT_TRUE(with.head->Forward(x, Generator(4)).equal(dropped));
  EXPECT_FALSE(with.head->Forward(x, Generator(5)).equal(dropped));
}

TEST(FcBoxHeadTest, DropsInTrainingAndScalesAsConfigured) {
  ExpectDropped(Head("fc_channels: 400 dropout: 0.3 dropout_scale: IN_TEST"), 0.7, 1);
  ExpectDropped(Head("fc_channels: 400 dropout: 0.3"), 0.7, 1 / 0.7);
}

// RoIs 0 and 1 of image 7, and 0 to 2 of image 9.
at::Tensor DrawRows() { return at::tensor({7, 0, 7, 1, 9, 0, 9, 1, 9, 2}, at::kLong).view({5, 2}); }

// As processes share the RoIs of a batch, and as a device has rows between them that do not count.
TEST(FcBoxHeadTest, DropoutOfARoiDependsOnItsDrawRowAlone) {
  const Head with("fc_channels: [9, 7] dropout: 0.5");
  const at::Tensor x = Pooled(), rows = DrawRows();
  const at::Tensor whole = with.head->Forward(x, Generator(4), rows);
  EXPECT_FALSE(with.head->Forward(x, Generator(5), rows).equal(whole));
  EXPECT_FALSE(with.head->Forward(x, Generator(4), rows + 1).equal(whole));
  for (const std::vector<int64_t>& some :
       std::vector<std::vector<int64_t>>{{0, 1}, {2, 3, 4}, {4, 0}, {}}) {
    const at::Tensor chosen = at::tensor(some, at::kLong);
    const at::Tensor part =
        with.head->Forward(x.index_select(0, chosen), Generator(4), rows.index_select(0, chosen));
    EXPECT_TRUE(Near(part, whole.index_select(0, chosen), 1e-11)) << chosen;
  }
}

// Both layers have masks of their own: with equal weights and positive inputs the second would
// otherwise drop nothing more.
TEST(FcBoxHeadTest, EachLayerDropsByItsOwnDraws) {
  Head with("fc_channels: [64, 64] dropout: 0.5 dropout_scale: IN_TEST", 64, 1);
  {
    at::NoGradGuard no_grad;
    for (const char* name : {"fc6", "fc7"}) {
      FindTensor(with.owner, std::string(name) + ".weight").copy_(at::eye(64));
      FindTensor(with.owner, std::string(name) + ".bias").zero_();
    }
  }
  const at::Tensor ones = at::ones({20, 64, 1, 1}, at::kDouble);
  const double kept = with.head->Forward(ones, Generator(4)).mean().item<double>();
  EXPECT_NEAR(kept, 0.25, 5 * std::sqrt(0.25 * 0.75 / (20 * 64)));
}

// A device draws the mask by itself.
TEST(FcBoxHeadTest, DropoutIsTheSameOnADevice) {
  Head with("fc_channels: [9, 7] dropout: 0.5");
  const at::Tensor near = with.head->Forward(Pooled(), Generator(4), DrawRows());
  with.owner.to(QueueDevice());
  const at::Tensor far =
      with.head->Forward(Pooled().to(QueueDevice()), Generator(4), DrawRows().to(QueueDevice()));
  EXPECT_TRUE(Near(far.cpu(), near, 1e-11));
}

TEST(FcBoxHeadTest, NoRoisGiveNoRows) {
  const Head with("conv_channels: 4 fc_channels: 8 dropout: 0.5");
  for (const OptionalGenerator& generator : {OptionalGenerator(), OptionalGenerator(Generator())}) {
    EXPECT_EQ(with.head->Forward(Pooled().slice(0, 0, 0), generator).sizes().vec(),
              (std::vector<int64_t>{0, 8}));
  }
}

NormOptions Frozen() {
  NormOptions norm;
  norm.kind = NormOptions::kFrozenBatchNorm;
  return norm;
}

TEST(Layer4BoxHeadTest, IsTheMeanOfTheLayersCells) {
  at::NoGradGuard no_grad;
  const ResNetShape shape = FindResNetShape(18);
  for (const auto& [stride, size, cells] : {std::tuple(1, 3, 9), std::tuple(2, 5, 9)}) {
    SCOPED_TRACE(stride);
    torch::nn::Module owner;
    const Layer4BoxHead head(owner, shape, stride, Frozen());
    EXPECT_EQ(head.out_features(), 512);
    FillAtRandom(owner, 0.05, 8);
    const auto layer = std::make_shared<ResidualLayer>(shape, 4, stride, Frozen());
    for (const auto& item : layer->named_parameters()) {
      if (item.value().defined()) item.value().copy_(FindTensor(owner, "layer4." + item.key()));
    }
    for (const auto& item : layer->named_buffers()) {
      item.value().copy_(FindTensor(owner, "layer4." + item.key()));
    }
    const at::Tensor pooled = at::randn({2, 256, size, size}, Generator());
    const at::Tensor map = layer->Forward(pooled).to(at::kDouble);
    ASSERT_EQ(map.size(2) * map.size(3), cells);
    at::Tensor mean = at::zeros({2, 512}, at::kDouble);
    for (int64_t i = 0; i < cells; ++i) mean += map.flatten(2).select(2, i) / cells;
    const at::Tensor found = head.Forward(pooled, c10::nullopt);
    EXPECT_TRUE(Near(found, mean, 1e-5));
    EXPECT_TRUE(head.Forward(pooled, Generator()).equal(found));  // it has no dropout
  }
}

TEST(Layer4BoxHeadTest, NoRoisGiveNoRows) {
  torch::nn::Module owner;
  const Layer4BoxHead head(owner, FindResNetShape(18), 1, Frozen());
  EXPECT_EQ(head.Forward(at::zeros({0, 256, 7, 7}), c10::nullopt).sizes().vec(),
            (std::vector<int64_t>{0, 512}));
}

}  // namespace
}  // namespace rcnn::detection
