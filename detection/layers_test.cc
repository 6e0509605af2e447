#include "rcnn/detection/layers.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/autocast_scope.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/precision.h"
#include "rcnn/detection/convolution/release_memory.h"
#include "rcnn/detection/testing/slow_layers.h"

namespace rcnn::detection {
namespace {

using ::testing::ElementsAre;

// A batch norm's default would hide a value that is not passed through.
constexpr double kEpsilon = 0.25;

at::Generator Generator(uint64_t seed = 3) { return at::detail::createCPUGenerator(seed); }

at::Tensor Image(int64_t channels, at::ScalarType type = at::kDouble) {
  return at::randn({2, channels, 6, 5}, Generator(), type);
}

ConvOptions Shape(int64_t in, int64_t out, int64_t kernel = 3, int64_t stride = 1) {
  ConvOptions options;
  options.in_channels = in;
  options.out_channels = out;
  options.kernel = kernel;
  options.stride = stride;
  options.padding = kernel / 2;
  return options;
}

NormOptions MakeNormOptions(NormOptions::Kind kind, int64_t groups = 2) {
  NormOptions options;
  options.kind = kind;
  options.epsilon = kEpsilon;
  options.groups = groups;
  return options;
}

// A convolution followed by a norm, with random values in all of their tensors.
struct Layer {
  // `biased`: the convolution also has a bias, which AddConv never creates.
  Layer(const ConvOptions& options, const NormOptions& norm, bool biased = false) {
    if (biased) {
      conv = module.register_module("conv", std::make_shared<Conv>(options));
      conv->SetNorm(
          module.register_module("norm", std::make_shared<Norm>(options.out_channels, norm)));
    } else {
      conv = AddConv(module, "conv", options, "norm", norm);
    }
    FillAtRandom(module, 0.5, 11);
  }

  // The convolution and then the norm, of constants or of two groups.
  at::Tensor Expected(const at::Tensor& x) const {
    const ConvOptions& options = conv->options();
    at::Tensor y = SlowConv(x, conv->weight(), conv->bias(), options.stride, options.padding);
    if (FindTensor(module, "norm.running_mean").defined()) {
      y = SlowBatchNorm(y, module, "norm", kEpsilon);
    } else if (FindTensor(module, "norm.weight").defined()) {
      y = TwoGroupsNormed(y);
    }
    return options.activation == Activation::kRelu ? y.clamp_min(0) : y;
  }

  at::Tensor TwoGroupsNormed(const at::Tensor& x) const {
    const at::Tensor groups = x.reshape({2 * x.size(0), -1});
    const at::Tensor normal = (groups - groups.mean(1, true)) /
                              (groups.var({1}, /*unbiased=*/false, true) + kEpsilon).sqrt();
    const auto per_channel = [&](const char* name) {
      return FindTensor(module, name).detach().view({1, -1, 1, 1});
    };
    return normal.view(x.sizes()) * per_channel("norm.weight") + per_channel("norm.bias");
  }

  const std::shared_ptr<torch::nn::Module> owner = std::make_shared<torch::nn::Module>();
  torch::nn::Module& module = *owner;
  std::shared_ptr<Conv> conv;
};

TEST(ConvTest, ConvolvesAsDefined) {
  for (const auto& [kernel, stride] :
       {std::pair(1, 1), std::pair(3, 1), std::pair(3, 2), std::pair(5, 2), std::pair(1, 2)}) {
    for (const Activation activation : {Activation::kNone, Activation::kRelu}) {
      SCOPED_TRACE(::testing::Message() << kernel << " stride " << stride);
      ConvOptions options = Shape(3, 4, kernel, stride);
      options.activation = activation;
      Layer layer(options, {});
      layer.module.to(at::kDouble);
      const at::Tensor x = Image(3), before = x.clone();
      EXPECT_TRUE(Near(layer.conv->Forward(x), layer.Expected(x), 1e-12));
      EXPECT_TRUE(x.equal(before));
    }
  }
}

TEST(ConvTest, FoldsTheNormWithAndWithoutABias) {
  for (const NormOptions::Kind kind : {NormOptions::kFrozenBatchNorm, NormOptions::kBatchNorm}) {
    for (const bool biased : {false, true}) {
      SCOPED_TRACE(::testing::Message() << kind << (biased ? " with bias" : " without bias"));
      Layer layer(Shape(3, 4), MakeNormOptions(kind), biased);
      EXPECT_EQ(layer.conv->bias().defined(), biased);
      layer.module.to(at::kDouble);
      layer.module.eval();
      const at::Tensor x = Image(3);
      EXPECT_TRUE(Near(layer.conv->Forward(x), layer.Expected(x), 1e-12));
    }
  }
}

TEST(ConvTest, GradientsThroughAFoldedNormAreThoseOfTheTwoLayers) {
  for (const bool biased : {false, true}) {
    Layer layer(Shape(3, 4), MakeNormOptions(NormOptions::kBatchNorm), biased);
    layer.module.to(at::kDouble);
    layer.module.eval();
    const at::Tensor x = Image(3).requires_grad_();
    const at::Tensor weights_of_outputs = at::randn({2, 4, 6, 5}, Generator(5), at::kDouble);
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
                                 of("norm.running_var"), false, 0.1, kEpsilon, false));
    const auto folded = gradients(layer.conv->Forward(x));
    ASSERT_EQ(folded.size(), biased ? 5u : 4u);
    for (size_t i = 0; i < folded.size(); ++i) EXPECT_TRUE(Near(folded[i], apart[i], 1e-11)) << i;
  }
}

TEST(ConvTest, ABatchNormInTrainingUsesTheBatch) {
  Layer layer(Shape(3, 4), MakeNormOptions(NormOptions::kBatchNorm));
  layer.module.to(at::kDouble);
  const auto of = [&](const char* name) { return FindTensor(layer.module, name).detach(); };
  const at::Tensor mean_before = of("norm.running_mean").clone();
  const at::Tensor var_before = of("norm.running_var").clone();
  const at::Tensor x = Image(3);
  const at::Tensor y = layer.conv->Forward(x);
  const at::Tensor plain = SlowConv(x, layer.conv->weight(), {}, 1, 1).transpose(0, 1).flatten(1);
  const at::Tensor mean = plain.mean(1), var = plain.var(1, /*unbiased=*/false);
  const at::Tensor expected = (plain - mean.view({4, 1})) / (var + kEpsilon).sqrt().view({4, 1}) *
                                  of("norm.weight").view({4, 1}) +
                              of("norm.bias").view({4, 1});
  EXPECT_TRUE(Near(y.transpose(0, 1).flatten(1), expected, 1e-11));
  EXPECT_TRUE(Near(of("norm.running_mean"), 0.9 * mean_before + 0.1 * mean, 1e-12));
  EXPECT_TRUE(Near(of("norm.running_var"), 0.9 * var_before + 0.1 * plain.var(1, true), 1e-12));
  EXPECT_EQ(of("norm.num_batches_tracked").item<int64_t>(), 1);
}

// With the sum of a single process, which has the whole batch.
TEST(NormTest, APartUsesTheStatisticsOfTheBatch) {
  const auto gradients = [](bool as_part) {
    Norm norm(4, MakeNormOptions(NormOptions::kBatchNorm));
    FillAtRandom(norm, 0.5, 3);
    norm.to(at::kDouble);
    if (as_part) norm.SetPartsSum([](const at::Tensor& values) { return values; });
    at::Tensor x = at::randn({3, 4, 5, 6}, Generator(), at::kDouble).requires_grad_();
    const at::Tensor y = norm.Forward(x);
    (y * at::randn(y.sizes(), Generator(), at::kDouble)).sum().backward();
    std::vector<at::Tensor> found = {y.detach(), x.grad()};
    for (const at::Tensor& parameter : norm.parameters()) found.push_back(parameter.grad());
    for (const at::Tensor& buffer : norm.buffers()) found.push_back(buffer.to(at::kDouble));
    return found;
  };
  const auto expected = gradients(false), found = gradients(true);
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_TRUE(Near(found[i], expected[i], 1e-10)) << i;
}

// Images of 5 x 6 and 2 x 3 cells: the statistics of all 36, each of the same weight, as if they
// were the cells of one row.
TEST(NormTest, ImagesOfDifferentSizesShareTheStatisticsOfTheirCells) {
  const auto results = [](bool in_one_row) {
    Norm norm(4, MakeNormOptions(NormOptions::kBatchNorm));
    FillAtRandom(norm, 0.5, 3);
    norm.to(at::kDouble);
    at::Tensor row = at::randn({1, 4, 1, 36}, Generator(), at::kDouble).requires_grad_();
    at::Tensor y;
    if (in_one_row) {
      y = norm.Forward(row);
    } else {
      BatchMap images;
      images.parts = {row.narrow(3, 0, 30).reshape({1, 4, 5, 6}),
                      row.narrow(3, 30, 6).reshape({1, 4, 2, 3})};
      const BatchMap maps = norm.Forward(images);
      y = at::cat({maps.parts[0].reshape({1, 4, 1, 30}), maps.parts[1].reshape({1, 4, 1, 6})}, 3);
    }
    (y * at::randn(y.sizes(), Generator(), at::kDouble)).sum().backward();
    std::vector<at::Tensor> found = {y.detach(), row.grad()};
    for (const at::Tensor& parameter : norm.parameters()) found.push_back(parameter.grad());
    for (const at::Tensor& buffer : norm.buffers()) found.push_back(buffer.to(at::kDouble));
    return found;
  };
  const auto expected = results(true), found = results(false);
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_TRUE(Near(found[i], expected[i], 1e-10)) << i;
}

// Under autocast the maps are bfloat16.
TEST(NormTest, ShortTypesDoNotRoundTheStatisticsOfSeveralImages) {
  Norm of_short(4, MakeNormOptions(NormOptions::kBatchNorm));
  Norm of_wide(4, MakeNormOptions(NormOptions::kBatchNorm));
  FillAtRandom(of_short, 0.5, 3);
  FillAtRandom(of_wide, 0.5, 3);
  BatchMap images;
  images.parts = {at::randn({1, 4, 23, 29}, Generator()).to(at::kBFloat16),
                  at::randn({1, 4, 17, 31}, Generator(9)).to(at::kBFloat16)};
  const BatchMap found = of_short.Forward(images);
  const BatchMap expected = of_wide.Forward(
      ForEachPart(images, [](const at::Tensor& part) { return part.to(at::kFloat); }));
  for (size_t p = 0; p < images.parts.size(); ++p) {
    EXPECT_EQ(found.parts[p].scalar_type(), at::kBFloat16);
    EXPECT_TRUE(found.parts[p].equal(expected.parts[p].to(at::kBFloat16))) << p;
  }
  const std::vector<at::Tensor> of_found = of_short.buffers(), of_expected = of_wide.buffers();
  ASSERT_EQ(of_found.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_TRUE(of_found[i].equal(of_expected[i])) << i;
}

TEST(ConvTest, FrozenBatchNormUsesItsStatisticsInTraining) {
  Layer layer(Shape(3, 4), MakeNormOptions(NormOptions::kBatchNorm));
  layer.module.to(at::kDouble);
  FindTensor(layer.module, "norm.weight").set_requires_grad(false);
  const at::Tensor before = FindTensor(layer.module, "norm.running_mean").clone();
  const at::Tensor x = Image(3);
  EXPECT_TRUE(Near(layer.conv->Forward(x), layer.Expected(x), 1e-12));
  EXPECT_TRUE(FindTensor(layer.module, "norm.running_mean").equal(before));
  EXPECT_EQ(FindTensor(layer.module, "norm.num_batches_tracked").item<int64_t>(), 0);
}

TEST(UseGpuFormTest, ChangesTheOrderOfWeightsAndNoValue) {
  for (const NormOptions::Kind kind :
       {NormOptions::kNone, NormOptions::kFrozenBatchNorm, NormOptions::kGroupNorm}) {
    Layer layer(Shape(4, 6), MakeNormOptions(kind));
    layer.module.to(at::kDouble);
    UseGpuForm(layer.module);
    EXPECT_TRUE(layer.conv->weight().is_contiguous(at::MemoryFormat::ChannelsLast));
    EXPECT_FALSE(layer.conv->weight().is_contiguous());
    EXPECT_TRUE(layer.conv->weight().requires_grad());
    const at::Tensor x = Image(4);
    EXPECT_TRUE(Near(layer.conv->Forward(x), layer.Expected(x), 1e-12)) << kind;
    PrepareForInference(layer.module);
    const at::NoGradGuard no_grad;
    EXPECT_TRUE(Near(layer.conv->Forward(x), layer.Expected(x), 1e-12)) << kind;
  }
}

TEST(UseGpuFormTest, KeepsTheFoldedWeightsWhereNothingIsTrained) {
  Layer layer(Shape(3, 4), MakeNormOptions(NormOptions::kFrozenBatchNorm));
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
  Layer layer(Shape(3, 4), MakeNormOptions(NormOptions::kFrozenBatchNorm));
  layer.module.to(at::kDouble);
  layer.conv->weight().set_requires_grad(false);
  UseGpuForm(layer.module);
  const at::Tensor x = Image(3);
  EXPECT_TRUE(Near(layer.conv->Forward(x), layer.Expected(x), 1e-12));
  FindTensor(layer.module, "norm.running_var").mul_(2);
  EXPECT_TRUE(Near(layer.conv->Forward(x), layer.Expected(x), 1e-12));
  layer.conv->weight().mul_(0.5);
  EXPECT_TRUE(Near(layer.conv->Forward(x), layer.Expected(x), 1e-12));
}

// The norm's constants are kept from the first pass, the weight's graph is not.
TEST(UseGpuFormTest, GradientsBehindAKeptNormAreThoseOfEveryPass) {
  Layer plain(Shape(3, 4), MakeNormOptions(NormOptions::kFrozenBatchNorm));
  Layer kept(Shape(3, 4), MakeNormOptions(NormOptions::kFrozenBatchNorm));
  for (Layer* layer : {&plain, &kept}) layer->module.to(at::kDouble);
  UseGpuForm(kept.module);
  for (int pass = 0; pass < 2; ++pass) {
    for (const Layer* layer : {&plain, &kept}) layer->conv->Forward(Image(3)).sum().backward();
    EXPECT_TRUE(Near(kept.conv->weight().grad(), plain.conv->weight().grad(), 1e-11)) << pass;
  }
}

TEST(ConvTest, AGroupNormNormalisesEachImagesGroups) {
  Layer layer(Shape(3, 6), MakeNormOptions(NormOptions::kGroupNorm, /*groups=*/2));
  layer.module.to(at::kDouble);
  const at::Tensor x = Image(3);
  EXPECT_TRUE(Near(layer.conv->Forward(x), layer.Expected(x), 1e-11));
}

// 20 channels and more go through every kind of packed convolution: 1x1, 3x3, and those
// with a stride.
TEST(PrepareForInferenceTest, GivesTheSameForEveryShapeAndNorm) {
  for (const auto& [kernel, stride] : {std::pair(1, 1), std::pair(3, 1), std::pair(3, 2)}) {
    for (const NormOptions::Kind kind : {NormOptions::kNone, NormOptions::kFrozenBatchNorm,
                                         NormOptions::kBatchNorm, NormOptions::kGroupNorm}) {
      for (const bool biased : {false, true}) {
        for (const Activation activation : {Activation::kNone, Activation::kRelu}) {
          if (kind == NormOptions::kNone && biased) continue;  // AddConv's has one
          SCOPED_TRACE(::testing::Message() << kernel << " stride " << stride << " norm " << kind
                                            << (biased ? " with bias" : ""));
          at::NoGradGuard no_grad;
          ConvOptions options = Shape(20, 24, kernel, stride);
          options.activation = activation;
          Layer layer(options, MakeNormOptions(kind), biased);
          layer.module.eval();
          const at::Tensor x = Image(20, at::kFloat);
          const at::Tensor expected = layer.Expected(x);
          EXPECT_TRUE(Near(layer.conv->Forward(x), expected, 1e-5));
          PrepareForInference(layer.module);
          EXPECT_TRUE(Near(layer.conv->Forward(x), expected, 1e-5));
        }
      }
    }
  }
}

TEST(PrepareForInferenceTest, SkipsTrainedNormsAndOtherTypes) {
  at::NoGradGuard no_grad;
  Layer training(Shape(20, 24), MakeNormOptions(NormOptions::kBatchNorm));
  const at::Tensor x = Image(20, at::kFloat), expected = training.conv->Forward(x);
  PrepareForInference(training.module);
  EXPECT_TRUE(training.conv->Forward(x).equal(expected));

  for (const NormOptions::Kind kind : {NormOptions::kFrozenBatchNorm, NormOptions::kGroupNorm}) {
    Layer exact(Shape(20, 24), MakeNormOptions(kind));
    exact.module.to(at::kDouble);
    exact.module.eval();
    PrepareForInference(exact.module);
    EXPECT_TRUE(Near(exact.conv->Forward(Image(20)), exact.Expected(Image(20)), 1e-12));
  }
}

TEST(PrepareForInferenceTest, OnlyPackedWeightsMustNotChange) {
  at::NoGradGuard no_grad;
  Layer layer(Shape(20, 24), MakeNormOptions(NormOptions::kGroupNorm));
  const at::Tensor x = Image(20, at::kFloat);
  PrepareForInference(layer.module);
  FindTensor(layer.module, "norm.bias").add_(1);
  EXPECT_TRUE(Near(layer.conv->Forward(x), layer.Expected(x), 1e-5));
  layer.conv->weight().mul_(2);
  EXPECT_THROW(layer.conv->Forward(x), c10::Error);
}

TEST(PrepareForInferenceTest, NoGradientFlowsBeforeAGroupNorm) {
  Layer layer(Shape(20, 24), MakeNormOptions(NormOptions::kGroupNorm));
  PrepareForInference(layer.module);
  const at::Tensor x = Image(20, at::kFloat);
  EXPECT_THROW(layer.conv->Forward(x), c10::Error);
  EndInference(layer.module);
  layer.conv->Forward(x).sum().backward();
  EXPECT_TRUE(layer.conv->weight().grad().defined());
}

TEST(PrepareForInferenceTest, EndInferenceUndoesIt) {
  at::NoGradGuard no_grad;
  Layer layer(Shape(20, 24), MakeNormOptions(NormOptions::kFrozenBatchNorm));
  layer.module.eval();
  const at::Tensor x = Image(20, at::kFloat), before = layer.conv->Forward(x);
  PrepareForInference(layer.module);
  EndInference(layer.module);
  EXPECT_TRUE(layer.conv->Forward(x).equal(before));
  layer.conv->weight().mul_(2);
  EXPECT_TRUE(Near(layer.conv->Forward(x), layer.Expected(x), 1e-5));
}

TEST(PrepareForInferenceTest, DroppedWeightsLeaveThePackedOnes) {
  at::NoGradGuard no_grad;
  Layer layer(Shape(20, 24), MakeNormOptions(NormOptions::kFrozenBatchNorm));
  layer.module.eval();
  const at::Tensor x = Image(20, at::kFloat), expected = layer.conv->Forward(x);
  PrepareForInference(layer.module, {Precision::kFloat32, /*drop_weights=*/true});
  EXPECT_EQ(layer.conv->weight().numel(), 0);
  EXPECT_TRUE(Near(layer.conv->Forward(x), expected, 1e-5));
  layer.module.eval();
  EXPECT_TRUE(Near(layer.conv->Forward(x), expected, 1e-5));
  EXPECT_THROW(EndInference(layer.module), c10::Error);
  EXPECT_THROW(layer.module.train(), c10::Error);
  EXPECT_THROW(layer.module.to(at::kDouble), c10::Error);
  EXPECT_THROW(PrepareForInference(layer.module), c10::Error);
  EXPECT_THROW(ResetParameters(layer.module, Generator()), c10::Error);
}

TEST(PrepareForInferenceTest, IsTheSameFromWhatAnEqualLayerStored) {
  at::NoGradGuard no_grad;
  for (const auto& [kernel, stride] : {std::pair(1, 1), std::pair(3, 1), std::pair(3, 2)}) {
    for (const NormOptions::Kind kind :
         {NormOptions::kNone, NormOptions::kFrozenBatchNorm, NormOptions::kGroupNorm}) {
      SCOPED_TRACE(::testing::Message() << kernel << " stride " << stride << " norm " << kind);
      Layer layer(Shape(20, 24, kernel, stride), MakeNormOptions(kind));
      Layer same(Shape(20, 24, kernel, stride), MakeNormOptions(kind));
      layer.module.eval();
      same.module.eval();
      same.conv->weight().zero_();
      if (kind == NormOptions::kNone) same.conv->bias().zero_();
      if (kind == NormOptions::kFrozenBatchNorm) FindTensor(same.module, "norm.weight").zero_();
      EXPECT_FALSE(layer.conv->Stored().has_value());
      layer.conv->PrepareForInference({});
      const c10::optional<StoredLayer> stored = layer.conv->Stored();
      ASSERT_TRUE(stored.has_value());
      same.conv->PrepareForInference({Precision::kFloat32, /*drop_weights=*/true}, &*stored);
      EXPECT_TRUE(same.conv->IsReplaced());
      const at::Tensor x = Image(20, at::kFloat);
      EXPECT_TRUE(same.conv->Forward(x).equal(layer.conv->Forward(x)));
      EXPECT_THROW(same.conv->Stored(), c10::Error);
    }
  }
}

TEST(PrepareForInferenceTest, WeightsCanBeDroppedLater) {
  at::NoGradGuard no_grad;
  Layer layer(Shape(20, 24), MakeNormOptions(NormOptions::kFrozenBatchNorm));
  layer.module.eval();
  DropWeights(layer.module);
  EXPECT_GT(layer.conv->weight().numel(), 0) << "not prepared";
  const at::Tensor x = Image(20, at::kFloat), expected = layer.conv->Forward(x);
  PrepareForInference(layer.module);
  DropWeights(layer.module);
  EXPECT_EQ(layer.conv->weight().numel(), 0);
  EXPECT_TRUE(Near(layer.conv->Forward(x), expected, 1e-5));
}

// Memory that a layer borrows. Counts how often each number is released, and overwrites it then.
class LentWeight {
 public:
  explicit LentWeight(const at::Tensor& numbers)
      : tensor_(numbers.detach().clone()), released_(static_cast<size_t>(numbers.numel())) {}

  const at::Tensor& tensor() const { return tensor_; }

  ReleaseMemory Release() {
    return [this](const void* data, size_t bytes) {
      const std::lock_guard<std::mutex> lock(mutex_);
      const auto first = static_cast<const float*>(data) - tensor_.data_ptr<float>();
      for (size_t i = 0; i < bytes / sizeof(float); ++i) {
        tensor_.data_ptr<float>()[first + static_cast<int64_t>(i)] = NAN;
        ++released_.at(static_cast<size_t>(first) + i);
      }
    };
  }

  bool IsReleasedOnce() const {
    return std::all_of(released_.begin(), released_.end(), [](int count) { return count == 1; });
  }
  bool IsUsedByOthers() const { return tensor_.storage().use_count() > 1; }

 private:
  at::Tensor tensor_;
  std::mutex mutex_;
  std::vector<int> released_;
};

TEST(BorrowWeightTest, PacksAConvolutionFromMemoryThatIsReleasedOnce) {
  at::NoGradGuard no_grad;
  for (const auto& [kernel, stride] : {std::pair(1, 1), std::pair(3, 1), std::pair(3, 2)}) {
    for (const NormOptions::Kind kind :
         {NormOptions::kNone, NormOptions::kFrozenBatchNorm, NormOptions::kGroupNorm}) {
      for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
        SCOPED_TRACE(::testing::Message() << kernel << " stride " << stride << " norm " << kind
                                          << " " << PrecisionName(precision));
        Layer own(Shape(20, 24, kernel, stride), MakeNormOptions(kind));
        Layer borrowing(Shape(20, 24, kernel, stride), MakeNormOptions(kind));
        LentWeight lent(own.conv->weight());
        borrowing.conv->weight().fill_(7);
        ASSERT_TRUE(borrowing.conv->BorrowWeight(lent.tensor(), lent.Release()));
        EXPECT_TRUE(borrowing.conv->IsBorrowed());
        EXPECT_TRUE(borrowing.conv->weight().equal(own.conv->weight()));
        PrepareForInference(own.module, {precision});
        PrepareForInference(borrowing.module, {precision, /*drop_weights=*/true});
        EXPECT_FALSE(borrowing.conv->IsBorrowed());
        EXPECT_TRUE(lent.IsReleasedOnce());
        EXPECT_FALSE(lent.IsUsedByOthers());
        const at::Tensor x = Image(20, at::kFloat);
        EXPECT_TRUE(borrowing.conv->Forward(x).equal(own.conv->Forward(x)));
      }
    }
  }
}

// Without bfloat16 the layer needs the weight as it is, and gets a copy of its own, in two parts.
TEST(BorrowWeightTest, PacksOrCopiesALinearLayerFromMemoryThatIsReleasedOnce) {
  at::NoGradGuard no_grad;
  for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
    SCOPED_TRACE(PrecisionName(precision));
    Linear own(1000, 1100, {}), borrowing(1000, 1100, {});
    own.Reset(Generator());
    LentWeight lent(own.weight());
    ASSERT_TRUE(borrowing.BorrowWeight(lent.tensor(), lent.Release()));
    own.PrepareForInference({precision});
    borrowing.PrepareForInference({precision, /*drop_weights=*/true});
    EXPECT_FALSE(borrowing.IsBorrowed());
    EXPECT_TRUE(lent.IsReleasedOnce());
    EXPECT_FALSE(lent.IsUsedByOthers());
    EXPECT_EQ(borrowing.IsReplaced(), SupportedPrecision(precision) == Precision::kBfloat16);
    if (!borrowing.IsReplaced()) {
      EXPECT_TRUE(borrowing.weight().equal(own.weight()));
    }
    const at::Tensor x = at::randn({3, 1000}, Generator());
    EXPECT_TRUE(borrowing.Forward(x).equal(own.Forward(x)));
  }
}

TEST(BorrowWeightTest, KeepsTheMemoryUntilWeightsAreDropped) {
  at::NoGradGuard no_grad;
  Layer layer(Shape(20, 24), {});
  LentWeight lent(layer.conv->weight());
  ASSERT_TRUE(layer.conv->BorrowWeight(lent.tensor(), nullptr));
  const at::Tensor x = Image(20, at::kFloat), expected = layer.conv->Forward(x);
  PrepareForInference(layer.module);
  EXPECT_TRUE(layer.conv->IsBorrowed());
  EndInference(layer.module);
  EXPECT_TRUE(layer.conv->Forward(x).equal(expected));
  PrepareForInference(layer.module);
  DropWeights(layer.module);
  EXPECT_FALSE(lent.IsUsedByOthers());
  EXPECT_TRUE(Near(layer.conv->Forward(x), expected, 1e-5));
}

// The statistics of a batch cannot be folded.
TEST(BorrowWeightTest, CopiesTheWeightOfALayerThatCannotBePrepared) {
  at::NoGradGuard no_grad;
  Layer layer(Shape(20, 24), MakeNormOptions(NormOptions::kBatchNorm));
  const at::Tensor numbers = layer.conv->weight().clone();
  LentWeight lent(numbers);
  ASSERT_TRUE(layer.conv->BorrowWeight(lent.tensor(), lent.Release()));
  PrepareForInference(layer.module, {Precision::kFloat32, /*drop_weights=*/true});
  EXPECT_FALSE(layer.conv->IsReplaced());
  EXPECT_TRUE(lent.IsReleasedOnce());
  EXPECT_FALSE(lent.IsUsedByOthers());
  EXPECT_TRUE(layer.conv->weight().equal(numbers));
}

TEST(BorrowWeightTest, ChangesAreMadeToACopy) {
  const std::function<void(Conv&)> changes[] = {[](Conv& conv) {
                                                  conv.train(true);
                                                  const at::NoGradGuard no_grad;
                                                  conv.weight().zero_();
                                                },
                                                [](Conv& conv) { conv.Reset(Generator(8)); },
                                                [](Conv& conv) {
                                                  conv.to(at::kDouble);
                                                  const at::NoGradGuard no_grad;
                                                  conv.weight().zero_();
                                                }};
  for (const auto& change : changes) {
    Layer layer(Shape(20, 24), {});
    const at::Tensor numbers = layer.conv->weight().detach().clone();
    const LentWeight lent(numbers);
    ASSERT_TRUE(layer.conv->BorrowWeight(lent.tensor(), nullptr));
    change(*layer.conv);
    EXPECT_FALSE(layer.conv->IsBorrowed());
    EXPECT_TRUE(lent.tensor().equal(numbers));
    EXPECT_FALSE(lent.IsUsedByOthers());
    EXPECT_TRUE(layer.conv->weight().requires_grad());
  }
}

TEST(BorrowWeightTest, RefusesWhatTheLayerCannotPackAsItIs) {
  Layer layer(Shape(3, 4), {});
  const at::Tensor before = layer.conv->weight().detach().clone();
  const std::vector<int64_t> shape = {4, 3, 3, 3};
  for (const at::Tensor& other :
       {at::zeros({4, 27}), at::zeros({3, 3, 3, 3}), at::zeros(shape, at::kDouble),
        at::zeros(shape, at::kHalf), at::zeros({4, 3, 3, 6}).slice(3, 0, 6, 2),
        at::zeros(shape).contiguous(at::MemoryFormat::ChannelsLast)}) {
    EXPECT_FALSE(layer.conv->BorrowWeight(other, nullptr)) << other.toString() << other.sizes();
  }
  EXPECT_TRUE(layer.conv->weight().equal(before));
  layer.module.to(at::kDouble);
  EXPECT_FALSE(layer.conv->BorrowWeight(at::zeros(shape), nullptr));
}

TEST(PrepareForInferenceTest, Bfloat16RoundsExceptWhereFloat32IsKept) {
  at::NoGradGuard no_grad;
  for (const int64_t kernel : {1, 3}) {
    for (const bool keep : {false, true}) {
      Layer layer(Shape(32, 24, kernel), MakeNormOptions(NormOptions::kFrozenBatchNorm));
      layer.module.eval();
      if (keep) layer.conv->KeepFloat32();
      const at::Tensor x = Image(32, at::kFloat), expected = layer.conv->Forward(x);
      PrepareForInference(layer.module, {Precision::kBfloat16});
      const double error =
          ((layer.conv->Forward(x) - expected).norm() / expected.norm()).item<double>();
      EXPECT_LE(error, keep ? 1e-6 : 2e-2);
      const bool rounds = !keep && SupportedPrecision(Precision::kBfloat16) == Precision::kBfloat16;
      EXPECT_EQ(error > 1e-4, rounds) << error;
    }
  }
}

TEST(PrepareForInferenceTest, PacksLinearLayersForBfloat16) {
  at::NoGradGuard no_grad;
  const auto owner = std::make_shared<torch::nn::Module>();
  torch::nn::Module& module = *owner;
  const auto fc = AddLinear(module, "fc", 70, 30, {}), last = AddLinear(module, "last", 70, 5, {});
  last->KeepFloat32();
  FillAtRandom(module, 1, 5);
  const at::Tensor x = at::randn({40, 70}, Generator());
  const at::Tensor expected = fc->Forward(x, Activation::kRelu), scores = last->Forward(x);
  PrepareForInference(module, {Precision::kBfloat16});
  const at::Tensor y = fc->Forward(x, Activation::kRelu);
  EXPECT_LE(((y - expected).norm() / expected.norm()).item<double>(), 5e-3);
  EXPECT_TRUE(last->Forward(x).equal(scores));
  EXPECT_EQ(fc->Forward(x.slice(0, 0, 0)).sizes().vec(), (std::vector<int64_t>{0, 30}));
  const bool packed = SupportedPrecision(Precision::kBfloat16) == Precision::kBfloat16;
  EXPECT_EQ(y.equal(expected), !packed);
  if (packed) {
    EXPECT_THROW(fc->Forward(at::zeros({4, 71})), c10::Error);
  }
  EndInference(module);
  EXPECT_TRUE(fc->Forward(x, Activation::kRelu).equal(expected));
}

TEST(AutocastTest, RoundsExceptWhereFloat32IsKept) {
  RCNN_SKIP_WITHOUT_CPU_AUTOCAST();
  const auto owner = std::make_shared<torch::nn::Module>();
  const auto conv = AddConv(*owner, "conv", Shape(4, 6)),
             scores = AddConv(*owner, "s", Shape(6, 5, 1));
  const auto fc = AddLinear(*owner, "fc", 30, 7, {}), last = AddLinear(*owner, "last", 7, 3, {});
  scores->KeepFloat32();
  last->KeepFloat32();
  FillAtRandom(*owner, 1, 5);
  const at::Tensor x = at::randn({2, 4, 6, 5}, Generator());
  const AutocastScope scope(c10::DeviceType::CPU, at::kBFloat16);
  const at::Tensor map = conv->Forward(x);
  EXPECT_EQ(map.scalar_type(), at::kBFloat16);
  EXPECT_EQ(scores->Forward(map).scalar_type(), at::kFloat);
  const at::Tensor features = fc->Forward(map.flatten(0, 1).flatten(1));
  EXPECT_EQ(features.scalar_type(), at::kBFloat16);
  const at::Tensor deltas = last->Forward(features);
  EXPECT_EQ(deltas.scalar_type(), at::kFloat);
  deltas.sum().backward();
  EXPECT_EQ(last->weight().grad().scalar_type(), at::kFloat);
  EXPECT_TRUE(conv->weight().grad().defined());
}

TEST(ForwardAddReluTest, AddsTheShortcutBeforeTheRelu) {
  at::NoGradGuard no_grad;
  for (const auto& [kernel, stride] :
       {std::pair(1, 1), std::pair(1, 2), std::pair(3, 1), std::pair(3, 2)}) {
    for (const NormOptions::Kind kind : {NormOptions::kFrozenBatchNorm, NormOptions::kGroupNorm}) {
      for (const bool packed : {false, true}) {
        SCOPED_TRACE(::testing::Message()
                     << kernel << " stride " << stride << " norm " << kind << " packed " << packed);
        Layer layer(Shape(20, 24, kernel, stride), MakeNormOptions(kind));
        layer.module.eval();
        const at::Tensor x = Image(20, at::kFloat), plain = layer.Expected(x);
        const at::Tensor other = at::randn(plain.sizes(), Generator(9)) * 5;
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
  Layer layer(Shape(3, 4), MakeNormOptions(NormOptions::kFrozenBatchNorm));
  layer.module.to(at::kDouble);
  const at::Tensor x = Image(3).requires_grad_();
  const at::Tensor other = at::randn({2, 4, 6, 5}, Generator(9), at::kDouble).requires_grad_();
  const at::Tensor y = layer.conv->ForwardAddRelu(x, other).parts.front();
  y.sum().backward();
  EXPECT_TRUE(other.grad().equal((y > 0).to(at::kDouble)));
  EXPECT_GT(x.grad().abs().max().item<double>(), 0);
  EXPECT_GT(layer.conv->weight().grad().abs().max().item<double>(), 0);
}

TEST(LinearTest, IsTheProductPlusTheBias) {
  torch::nn::Module module;
  const auto linear = AddLinear(module, "fc", 7, 3, {});
  FillAtRandom(module, 1, 5);
  module.to(at::kDouble);
  const at::Tensor x = at::randn({4, 7}, Generator(), at::kDouble);
  const at::Tensor expected = SlowLinear(x, linear->weight(), linear->bias());
  EXPECT_TRUE(Near(linear->Forward(x), expected, 1e-12));
  EXPECT_TRUE(Near(linear->Forward(x, Activation::kRelu), expected.clamp_min(0), 1e-12));
  EXPECT_LT(expected.min().item<double>(), 0);
  EXPECT_EQ(linear->Forward(x.slice(0, 0, 0)).sizes().vec(), (std::vector<int64_t>{0, 3}));
}

// By rcnn's own product, where there is one; with gradients by LibTorch's.
TEST(LinearTest, WithoutGradientsOtherRowsChangeNoBit) {
  torch::nn::Module module;
  const auto linear = AddLinear(module, "fc", 300, 50, {});
  FillAtRandom(module, 1, 5);
  const at::Tensor x = at::randn({90, 300}, Generator());
  const at::Tensor exact = SlowLinear(x, linear->weight(), linear->bias()).clamp_min(0);
  const at::Tensor trained = linear->Forward(x, Activation::kRelu);
  EXPECT_TRUE(trained.requires_grad());
  EXPECT_TRUE(Near(trained.detach(), exact, 1e-5));
  at::NoGradGuard no_grad;
  const at::Tensor y = linear->Forward(x, Activation::kRelu);
  EXPECT_TRUE(Near(y, exact, 1e-5));
  EXPECT_TRUE(Near(linear->Forward(x.t().contiguous().t(), Activation::kRelu), exact, 1e-5));
  EXPECT_THROW(linear->Forward(at::zeros({4, 301})), c10::Error);
  if (!PanelProductAvailable()) GTEST_SKIP() << "this processor has no AVX2 and FMA";
  EXPECT_TRUE(linear->Forward(x.slice(0, 31, 50), Activation::kRelu).equal(y.slice(0, 31, 50)));
}

TEST(AddConvTest, RegistersPytorchNames) {
  torch::nn::Module module;
  AddConv(module, "conv1", Shape(3, 4), "bn1", MakeNormOptions(NormOptions::kBatchNorm));
  AddConv(module, "conv2", Shape(4, 4), "bn2", MakeNormOptions(NormOptions::kFrozenBatchNorm));
  AddConv(module, "conv3", Shape(4, 4), "bn3", {});
  std::vector<std::string> parameters, buffers;
  for (const auto& item : module.named_parameters()) {
    if (item.value().defined()) parameters.push_back(item.key());
  }
  for (const auto& item : module.named_buffers()) buffers.push_back(item.key());
  EXPECT_THAT(parameters, ElementsAre("conv1.weight", "bn1.weight", "bn1.bias", "conv2.weight",
                                      "conv3.weight", "conv3.bias"));
  EXPECT_THAT(buffers,
              ElementsAre("bn1.running_mean", "bn1.running_var", "bn1.num_batches_tracked",
                          "bn2.weight", "bn2.bias", "bn2.running_mean", "bn2.running_var"));
}

// Of 20,000 and more numbers: mean within five deviations of a mean, variance within 5 %.
void ExpectMoments(const at::Tensor& values, double variance) {
  const double count = static_cast<double>(values.numel());
  ASSERT_GE(count, 20000);
  EXPECT_LE(std::abs(values.mean().item<double>()), 5 * std::sqrt(variance / count));
  EXPECT_NEAR(values.var(/*unbiased=*/false).item<double>(), variance, 0.05 * variance);
}

TEST(ResetParametersTest, DrawsTheDocumentedVariances) {
  const auto owner = std::make_shared<torch::nn::Module>();
  torch::nn::Module& module = *owner;
  ConvOptions options = Shape(64, 40);
  const auto relu = AddConv(module, "relu", options);
  options.init.kind = Init::kNormal;
  options.init.stddev = 0.03;
  const auto normal = AddConv(module, "normal", options);
  Init init;
  init.kind = Init::kUniformFanIn;
  const auto linear = AddLinear(module, "linear", 300, 100, init);
  options.init = init;
  const auto uniform = AddConv(module, "uniform", options);
  FillAtRandom(module, 1, 4);
  ResetParameters(module, Generator());
  at::NoGradGuard no_grad;
  ExpectMoments(relu->weight(), 2.0 / (40 * 9));
  ExpectMoments(normal->weight(), 0.03 * 0.03);
  ExpectMoments(linear->weight(), 1.0 / 300);
  ExpectMoments(uniform->weight(), 1.0 / (64 * 9));
  EXPECT_LE(linear->weight().abs().max().item<double>(), std::sqrt(3.0 / 300) * (1 + 1e-6));
  for (const at::Tensor& bias : {relu->bias(), normal->bias(), linear->bias(), uniform->bias()}) {
    EXPECT_TRUE(bias.eq(0).all().item<bool>());
  }
}

TEST(ResetParametersTest, KeepsNormsAndOtherGenerators) {
  Layer layer(Shape(3, 4), MakeNormOptions(NormOptions::kBatchNorm)),
      same(Shape(3, 4), MakeNormOptions(NormOptions::kBatchNorm));
  const at::Tensor norm = FindTensor(layer.module, "norm.weight").detach().clone();
  ResetParameters(layer.module, Generator(1));
  ResetParameters(same.module, Generator(1));
  EXPECT_TRUE(layer.conv->weight().equal(same.conv->weight()));
  EXPECT_TRUE(FindTensor(layer.module, "norm.weight").equal(norm));
  ResetParameters(same.module, Generator(2));
  EXPECT_FALSE(layer.conv->weight().equal(same.conv->weight()));
}

// A 1 x 1 convolution between equal numbers of channels may write over maps that nobody else has.
TEST(ConvTest, ConsumesOnlyMapsThatAreMovedIn) {
  const at::NoGradGuard no_grad;
  Layer layer(Shape(20, 20, 1), MakeNormOptions(NormOptions::kBatchNorm));
  layer.module.eval();
  const at::Tensor kept = Image(20, at::kFloat), numbers = kept.clone();
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

}  // namespace
}  // namespace rcnn::detection
