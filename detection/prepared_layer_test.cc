#include "rcnn/detection/prepared_layer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/detection/convolution/precision.h"
#include "rcnn/detection/convolution/release_memory.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/testing/normed_conv.h"
#include "rcnn/detection/testing/slow_layers.h"

namespace rcnn::detection {
namespace {

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
          ConvOptions options = ConvShape(20, 24, kernel, stride);
          options.activation = activation;
          NormedConv layer(options, MakeNormOptions(kind), biased);
          layer.module.eval();
          const at::Tensor x = SmallMaps(20, at::kFloat);
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
  NormedConv training(ConvShape(20, 24), MakeNormOptions(NormOptions::kBatchNorm));
  const at::Tensor x = SmallMaps(20, at::kFloat), expected = training.conv->Forward(x);
  PrepareForInference(training.module);
  EXPECT_TRUE(training.conv->Forward(x).equal(expected));

  for (const NormOptions::Kind kind : {NormOptions::kFrozenBatchNorm, NormOptions::kGroupNorm}) {
    NormedConv exact(ConvShape(20, 24), MakeNormOptions(kind));
    exact.module.to(at::kDouble);
    exact.module.eval();
    PrepareForInference(exact.module);
    EXPECT_TRUE(Near(exact.conv->Forward(SmallMaps(20)), exact.Expected(SmallMaps(20)), 1e-12));
  }
}

TEST(PrepareForInferenceTest, OnlyPackedWeightsMustNotChange) {
  at::NoGradGuard no_grad;
  NormedConv layer(ConvShape(20, 24), MakeNormOptions(NormOptions::kGroupNorm));
  const at::Tensor x = SmallMaps(20, at::kFloat);
  PrepareForInference(layer.module);
  FindTensor(layer.module, "norm.bias").add_(1);
  EXPECT_TRUE(Near(layer.conv->Forward(x), layer.Expected(x), 1e-5));
  layer.conv->weight().mul_(2);
  EXPECT_THROW(layer.conv->Forward(x), c10::Error);
}

TEST(PrepareForInferenceTest, NoGradientFlowsBeforeAGroupNorm) {
  NormedConv layer(ConvShape(20, 24), MakeNormOptions(NormOptions::kGroupNorm));
  PrepareForInference(layer.module);
  const at::Tensor x = SmallMaps(20, at::kFloat);
  EXPECT_THROW(layer.conv->Forward(x), c10::Error);
  EndInference(layer.module);
  layer.conv->Forward(x).sum().backward();
  EXPECT_TRUE(layer.conv->weight().grad().defined());
}

TEST(PrepareForInferenceTest, EndInferenceUndoesIt) {
  at::NoGradGuard no_grad;
  NormedConv layer(ConvShape(20, 24), MakeNormOptions(NormOptions::kFrozenBatchNorm));
  layer.module.eval();
  const at::Tensor x = SmallMaps(20, at::kFloat), before = layer.conv->Forward(x);
  PrepareForInference(layer.module);
  EndInference(layer.module);
  EXPECT_TRUE(layer.conv->Forward(x).equal(before));
  layer.conv->weight().mul_(2);
  EXPECT_TRUE(Near(layer.conv->Forward(x), layer.Expected(x), 1e-5));
}

TEST(PrepareForInferenceTest, DroppedWeightsLeaveThePackedOnes) {
  at::NoGradGuard no_grad;
  NormedConv layer(ConvShape(20, 24), MakeNormOptions(NormOptions::kFrozenBatchNorm));
  layer.module.eval();
  const at::Tensor x = SmallMaps(20, at::kFloat), expected = layer.conv->Forward(x);
  PrepareForInference(layer.module, {Precision::kFloat32, /*drop_weights=*/true});
  EXPECT_EQ(layer.conv->weight().numel(), 0);
  EXPECT_TRUE(Near(layer.conv->Forward(x), expected, 1e-5));
  layer.module.eval();
  EXPECT_TRUE(Near(layer.conv->Forward(x), expected, 1e-5));
  EXPECT_THROW(EndInference(layer.module), c10::Error);
  EXPECT_THROW(layer.module.train(), c10::Error);
  EXPECT_THROW(layer.module.to(at::kDouble), c10::Error);
  EXPECT_THROW(PrepareForInference(layer.module), c10::Error);
  EXPECT_THROW(ResetParameters(layer.module, SeededGenerator()), c10::Error);
}

TEST(PrepareForInferenceTest, IsTheSameFromWhatAnEqualLayerStored) {
  at::NoGradGuard no_grad;
  for (const auto& [kernel, stride] : {std::pair(1, 1), std::pair(3, 1), std::pair(3, 2)}) {
    for (const NormOptions::Kind kind :
         {NormOptions::kNone, NormOptions::kFrozenBatchNorm, NormOptions::kGroupNorm}) {
      SCOPED_TRACE(::testing::Message() << kernel << " stride " << stride << " norm " << kind);
      NormedConv layer(ConvShape(20, 24, kernel, stride), MakeNormOptions(kind));
      NormedConv same(ConvShape(20, 24, kernel, stride), MakeNormOptions(kind));
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
      const at::Tensor x = SmallMaps(20, at::kFloat);
      EXPECT_TRUE(same.conv->Forward(x).equal(layer.conv->Forward(x)));
      EXPECT_THROW(same.conv->Stored(), c10::Error);
    }
  }
}

TEST(PrepareForInferenceTest, WeightsCanBeDroppedLater) {
  at::NoGradGuard no_grad;
  NormedConv layer(ConvShape(20, 24), MakeNormOptions(NormOptions::kFrozenBatchNorm));
  layer.module.eval();
  DropWeights(layer.module);
  EXPECT_GT(layer.conv->weight().numel(), 0) << "not prepared";
  const at::Tensor x = SmallMaps(20, at::kFloat), expected = layer.conv->Forward(x);
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
        NormedConv own(ConvShape(20, 24, kernel, stride), MakeNormOptions(kind));
        NormedConv borrowing(ConvShape(20, 24, kernel, stride), MakeNormOptions(kind));
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
        const at::Tensor x = SmallMaps(20, at::kFloat);
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
    own.Reset(SeededGenerator());
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
    const at::Tensor x = at::randn({3, 1000}, SeededGenerator());
    EXPECT_TRUE(borrowing.Forward(x).equal(own.Forward(x)));
  }
}

TEST(BorrowWeightTest, KeepsTheMemoryUntilWeightsAreDropped) {
  at::NoGradGuard no_grad;
  NormedConv layer(ConvShape(20, 24), {});
  LentWeight lent(layer.conv->weight());
  ASSERT_TRUE(layer.conv->BorrowWeight(lent.tensor(), nullptr));
  const at::Tensor x = SmallMaps(20, at::kFloat), expected = layer.conv->Forward(x);
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
  NormedConv layer(ConvShape(20, 24), MakeNormOptions(NormOptions::kBatchNorm));
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
                                                [](Conv& conv) { conv.Reset(SeededGenerator(8)); },
                                                [](Conv& conv) {
                                                  conv.to(at::kDouble);
                                                  const at::NoGradGuard no_grad;
                                                  conv.weight().zero_();
                                                }};
  for (const auto& change : changes) {
    NormedConv layer(ConvShape(20, 24), {});
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
  NormedConv layer(ConvShape(3, 4), {});
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
      NormedConv layer(ConvShape(32, 24, kernel), MakeNormOptions(NormOptions::kFrozenBatchNorm));
      layer.module.eval();
      if (keep) layer.conv->KeepFloat32();
      const at::Tensor x = SmallMaps(32, at::kFloat), expected = layer.conv->Forward(x);
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
  const at::Tensor x = at::randn({40, 70}, SeededGenerator());
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

}  // namespace
}  // namespace rcnn::detection
