#include "rcnn/detection/conv.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/testing/counting_finisher.h"
#include "rcnn/detection/testing/normed_conv.h"
#include "rcnn/detection/testing/slow_layers.h"

namespace rcnn::detection {
namespace {

TEST(ConvTest, ConvolvesAsDefined) {
  for (const auto& [kernel, stride] :
       {std::pair(1, 1), std::pair(3, 1), std::pair(3, 2), std::pair(5, 2), std::pair(1, 2)}) {
    for (const Activation activation : {Activation::kNone, Activation::kRelu}) {
      SCOPED_TRACE(::testing::Message() << kernel << " stride " << stride);
      ConvOptions options = ConvShape(3, 4, kernel, stride);
      options.activation = activation;
      NormedConv layer(options, {});
      layer.module.to(at::kDouble);
      const at::Tensor x = SmallMaps(3), before = x.clone();
      EXPECT_TRUE(Near(layer.conv->Forward(x), layer.Expected(x), 1e-12));
      EXPECT_TRUE(x.equal(before));
    }
  }
}

TEST(ConvTest, FoldsTheNormWithAndWithoutABias) {
  for (const NormOptions::Kind kind : {NormOptions::kFrozenBatchNorm, NormOptions::kBatchNorm}) {
    for (const bool biased : {false, true}) {
      SCOPED_TRACE(::testing::Message() << kind << (biased ? " with bias" : " without bias"));
      NormedConv layer(ConvShape(3, 4), MakeNormOptions(kind), biased);
      EXPECT_EQ(layer.conv->bias().defined(), biased);
      layer.module.to(at::kDouble);
      layer.module.eval();
      const at::Tensor x = SmallMaps(3);
      EXPECT_TRUE(Near(layer.conv->Forward(x), layer.Expected(x), 1e-12));
    }
  }
}

TEST(ConvTest, GradientsThroughAFoldedNormAreThoseOfTheTwoLayers) {
  for (const bool biased : {false, true}) {
    NormedConv layer(ConvShape(3, 4), MakeNormOptions(NormOptions::kBatchNorm), biased);
    layer.module.to(at::kDouble);
    layer.module.eval();
    const at::Tensor x = SmallMaps(3).requires_grad_();
    const at::Tensor weights_of_outputs = at::randn({2, 4, 6, 5}, SeededGenerator(5), at::kDouble);
    std::vector<at::Tensor> inputs = layer.module.parameters();
    inputs.erase(std::remove_if(inputs.begin(), inputs.end(),
                                [](const at::Tensor& tensor) { return !tensor.defined(); }),
                 inputs.end());
    inputs.push_back(x);
    const auto of = [&](const char* name) { return FindTensor(layer.module, name); };
    const auto gradients = [&](const at::Tensor& y) {
      for (at::Tensor& input : inputs) input.mutable_grad() = at::Tensor();
      (y * weights_of_outputs).sum().backward();
      std::vector<at::Tensor> found;
      for (const at::Tensor& input : inputs) found.push_back(input.grad().clone());
      return found;
    };
    const auto apart =
        gradients(at::batch_norm(at::conv2d(x, layer.conv->weight(), layer.conv->bias(), 1, 1),
                                 of("norm.weight"), of("norm.bias"), of("norm.running_mean"),
                                 of("norm.running_var"), false, 0.1, kNormEpsilon, false));
    const auto folded = gradients(layer.conv->Forward(x));
    ASSERT_EQ(folded.size(), biased ? 5u : 4u);
    for (size_t i = 0; i < folded.size(); ++i) EXPECT_TRUE(Near(folded[i], apart[i], 1e-11)) << i;
  }
}

TEST(ConvTest, ABatchNormInTrainingUsesTheBatch) {
  NormedConv layer(ConvShape(3, 4), MakeNormOptions(NormOptions::kBatchNorm));
  layer.module.to(at::kDouble);
  const auto of = [&](const char* name) { return FindTensor(layer.module, name).detach(); };
  const at::Tensor mean_before = of("norm.running_mean").clone();
  const at::Tensor var_before = of("norm.running_var").clone();
  const at::Tensor x = SmallMaps(3);
  const at::Tensor y = layer.conv->Forward(x);
  const at::Tensor plain = SlowConv(x, layer.conv->weight(), {}, 1, 1).transpose(0, 1).flatten(1);
  const at::Tensor mean = plain.mean(1), var = plain.var(1, /*unbiased=*/false);
  const at::Tensor expected = (plain - mean.view({4, 1})) /
                                  (var + kNormEpsilon).sqrt().view({4, 1}) *
                                  of("norm.weight").view({4, 1}) +
                              of("norm.bias").view({4, 1});
  EXPECT_TRUE(Near(y.transpose(0, 1).flatten(1), expected, 1e-11));
  EXPECT_TRUE(Near(of("norm.running_mean"), 0.9 * mean_before + 0.1 * mean, 1e-12));
  EXPECT_TRUE(Near(of("norm.running_var"), 0.9 * var_before + 0.1 * plain.var(1, true), 1e-12));
  EXPECT_EQ(of("norm.num_batches_tracked").item<int64_t>(), 1);
}

TEST(ConvTest, FrozenBatchNormUsesItsStatisticsInTraining) {
  NormedConv layer(ConvShape(3, 4), MakeNormOptions(NormOptions::kBatchNorm));
  layer.module.to(at::kDouble);
  FindTensor(layer.module, "norm.weight").set_requires_grad(false);
  const at::Tensor before = FindTensor(layer.module, "norm.running_mean").clone();
  const at::Tensor x = SmallMaps(3);
  EXPECT_TRUE(Near(layer.conv->Forward(x), layer.Expected(x), 1e-12));
  EXPECT_TRUE(FindTensor(layer.module, "norm.running_mean").equal(before));
  EXPECT_EQ(FindTensor(layer.module, "norm.num_batches_tracked").item<int64_t>(), 0);
}

TEST(ConvTest, AGroupNormNormalisesEachImagesGroups) {
  NormedConv layer(ConvShape(3, 6), MakeNormOptions(NormOptions::kGroupNorm, /*groups=*/2));
  layer.module.to(at::kDouble);
  const at::Tensor x = SmallMaps(3);
  EXPECT_TRUE(Near(layer.conv->Forward(x), layer.Expected(x), 1e-11));
}

// A 1 x 1 convolution between equal numbers of channels may write over maps that nobody else has.
TEST(ConvTest, ConsumesOnlyMapsThatAreMovedIn) {
  const at::NoGradGuard no_grad;
  NormedConv layer(ConvShape(20, 20, 1), MakeNormOptions(NormOptions::kBatchNorm));
  layer.module.eval();
  const at::Tensor kept = SmallMaps(20, at::kFloat), numbers = kept.clone();
  const at::Tensor plain = layer.conv->Forward(kept);
  EXPECT_TRUE(layer.conv->ForwardConsuming(kept).parts.front().equal(plain));
  PrepareForInference(layer.module);
  const at::Tensor expected = layer.conv->Forward(kept);
  EXPECT_TRUE(layer.conv->ForwardConsuming(kept).parts.front().equal(expected));
  const at::Tensor view = kept.view(-1);
  at::Tensor moved = view.view(kept.sizes());
  EXPECT_TRUE(
      layer.conv->ForwardConsuming(BatchMap(std::move(moved))).parts.front().equal(expected));
  EXPECT_TRUE(kept.equal(numbers)) << "shared with others";
  at::Tensor alone = kept.clone();
  EXPECT_TRUE(
      layer.conv->ForwardConsuming(BatchMap(std::move(alone))).parts.front().equal(expected));
}

TEST(UseGpuFormTest, ChangesTheOrderOfWeightsAndNoValue) {
  for (const NormOptions::Kind kind :
       {NormOptions::kNone, NormOptions::kFrozenBatchNorm, NormOptions::kGroupNorm}) {
    NormedConv layer(ConvShape(4, 6), MakeNormOptions(kind));
    layer.module.to(at::kDouble);
    UseGpuForm(layer.module);
    EXPECT_TRUE(layer.conv->weight().is_contiguous(at::MemoryFormat::ChannelsLast));
    EXPECT_FALSE(layer.conv->weight().is_contiguous());
    EXPECT_TRUE(layer.conv->weight().requires_grad());
    const at::Tensor x = SmallMaps(4);
    EXPECT_TRUE(Near(layer.conv->Forward(x), layer.Expected(x), 1e-12)) << kind;
    PrepareForInference(layer.module);
    const at::NoGradGuard no_grad;
    EXPECT_TRUE(Near(layer.conv->Forward(x), layer.Expected(x), 1e-12)) << kind;
  }
}

TEST(UseGpuFormTest, KeepsTheFoldedWeightsWhereNothingIsTrained) {
  NormedConv layer(ConvShape(3, 4), MakeNormOptions(NormOptions::kFrozenBatchNorm));
  layer.module.to(at::kDouble);
  UseGpuForm(layer.module);
  const auto folded = [&] { return layer.conv->FoldedWeights().first; };
  EXPECT_FALSE(folded().is_same(folded()));
  layer.conv->weight().set_requires_grad(false);
  EXPECT_TRUE(folded().is_same(folded()));
  EXPECT_FALSE(folded().requires_grad());
  layer.conv->weight().set_requires_grad(true);
  EXPECT_TRUE(folded().requires_grad());
}

TEST(UseGpuFormTest, FoldsAgainAfterAChange) {
  NormedConv layer(ConvShape(3, 4), MakeNormOptions(NormOptions::kFrozenBatchNorm));
  layer.module.to(at::kDouble);
  layer.conv->weight().set_requires_grad(false);
  UseGpuForm(layer.module);
  const at::Tensor x = SmallMaps(3);
  EXPECT_TRUE(Near(layer.conv->Forward(x), layer.Expected(x), 1e-12));
  FindTensor(layer.module, "norm.running_var").mul_(2);
  EXPECT_TRUE(Near(layer.conv->Forward(x), layer.Expected(x), 1e-12));
  layer.conv->weight().mul_(0.5);
  EXPECT_TRUE(Near(layer.conv->Forward(x), layer.Expected(x), 1e-12));
}

// The norm's constants are kept from the first pass, the weight's graph is not.
TEST(UseGpuFormTest, GradientsBehindAKeptNormAreThoseOfEveryPass) {
  NormedConv plain(ConvShape(3, 4), MakeNormOptions(NormOptions::kFrozenBatchNorm));
  NormedConv kept(ConvShape(3, 4), MakeNormOptions(NormOptions::kFrozenBatchNorm));
  for (NormedConv* layer : {&plain, &kept}) layer->module.to(at::kDouble);
  UseGpuForm(kept.module);
  for (int pass = 0; pass < 2; ++pass) {
    for (const NormedConv* layer : {&plain, &kept}) {
      layer->conv->Forward(SmallMaps(3)).sum().backward();
    }
    EXPECT_TRUE(Near(kept.conv->weight().grad(), plain.conv->weight().grad(), 1e-11)) << pass;
  }
}

TEST(ForwardAddReluTest, AddsTheShortcutBeforeTheRelu) {
  at::NoGradGuard no_grad;
  for (const auto& [kernel, stride] :
       {std::pair(1, 1), std::pair(1, 2), std::pair(3, 1), std::pair(3, 2)}) {
    for (const NormOptions::Kind kind : {NormOptions::kFrozenBatchNorm, NormOptions::kGroupNorm}) {
      for (const bool packed : {false, true}) {
        SCOPED_TRACE(::testing::Message()
                     << kernel << " stride " << stride << " norm " << kind << " packed " << packed);
        NormedConv layer(ConvShape(20, 24, kernel, stride), MakeNormOptions(kind));
        layer.module.eval();
        const at::Tensor x = SmallMaps(20, at::kFloat), plain = layer.Expected(x);
        const at::Tensor other = at::randn(plain.sizes(), SeededGenerator(9)) * 5;
        const at::Tensor x_before = x.clone(), other_before = other.clone();
        if (packed) PrepareForInference(layer.module);
        const at::Tensor y = layer.conv->ForwardAddRelu(x, other).parts.front();
        EXPECT_TRUE(Near(y, (plain + other).clamp_min(0), 1e-5));
        EXPECT_TRUE(x.equal(x_before));
        EXPECT_TRUE(other.equal(other_before));
      }
    }
  }
}

TEST(ForwardAddReluTest, GradientsReachBothSummands) {
  NormedConv layer(ConvShape(3, 4), MakeNormOptions(NormOptions::kFrozenBatchNorm));
  layer.module.to(at::kDouble);
  const at::Tensor x = SmallMaps(3).requires_grad_();
  const at::Tensor other =
      at::randn({2, 4, 6, 5}, SeededGenerator(9), at::kDouble).requires_grad_();
  const at::Tensor y = layer.conv->ForwardAddRelu(x, other).parts.front();
  y.sum().backward();
  EXPECT_TRUE(other.grad().equal((y > 0).to(at::kDouble)));
  EXPECT_GT(x.grad().abs().max().item<double>(), 0);
  EXPECT_GT(layer.conv->weight().grad().abs().max().item<double>(), 0);
}

// What a device with a finisher computes: maps and gradients of a layer without an activation, and
// of the last one of a residual block.
std::vector<at::Tensor> RunTwice() {
  NormedConv layer(ConvShape(3, 4), MakeNormOptions(NormOptions::kFrozenBatchNorm));
  layer.module.to(at::kDouble);
  UseGpuForm(layer.module);
  const auto leaf = [](const at::Tensor& map) {
    return map.contiguous(at::MemoryFormat::ChannelsLast).requires_grad_();
  };
  const at::Tensor x = leaf(SmallMaps(3));
  const at::Tensor other = leaf(at::randn({2, 4, 6, 5}, SeededGenerator(9), at::kDouble));
  const at::Tensor y = layer.conv->Forward(x);
  EXPECT_TRUE(y.is_contiguous(at::MemoryFormat::ChannelsLast));
  const at::Tensor sum = layer.conv->ForwardAddRelu(x, other).parts.front();
  (y.sin().sum() + sum.sin().sum()).backward();
  return {y.detach(), sum.detach(), x.grad(), other.grad(), layer.conv->weight().grad()};
}

TEST(ConvTest, MapsThatADeviceFinishesAreThoseOfOperators) {
  const std::vector<at::Tensor> expected = RunTwice();
  const CountingFinisher finisher;
  const std::vector<at::Tensor> found = RunTwice();
  EXPECT_EQ(finisher.count(), 2);
  for (size_t i = 0; i < found.size(); ++i) EXPECT_TRUE(Near(found[i], expected[i], 1e-11)) << i;
}

}  // namespace
}  // namespace rcnn::detection
