#include "rcnn/detection/convolution/training_convolution.h"

#include <ATen/ATen.h>

#include <cmath>
#include <ostream>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/detection/convolution/convolution_cases.h"
#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/training_checks.h"

namespace rcnn::detection {
namespace {

at::Generator Generator(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

struct Case {
  int64_t batch, in_channels, out_channels, height, width;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.batch << " x " << c.in_channels << " x " << c.height << " x " << c.width << " to "
             << c.out_channels;
}

struct Results {
  at::Tensor y, dx, dw, db;
};

class TrainingConvolutionTest : public InstructionLevelCaseTest<Case> {
 protected:
  void SetUp() override {
    InstructionLevelCaseTest<Case>::SetUp();
    if (IsSkipped()) return;
    const Case& c = std::get<0>(GetParam());
    x_ = at::randn({c.batch, c.in_channels, c.height, c.width}, Generator(1));
    weight_ = at::randn({c.out_channels, c.in_channels, 3, 3}, Generator(2)) /
              std::sqrt(9.0 * static_cast<double>(c.in_channels));
    bias_ = at::randn({c.out_channels}, Generator(3));
    dy_ = at::randn({c.batch, c.out_channels, c.height, c.width}, Generator(4));
  }

  template <typename Convolve>
  Results Run(const Convolve& convolve, at::ScalarType type, bool with_bias) const {
    const auto leaf = [&](const at::Tensor& tensor) {
      return tensor.to(type).clone().requires_grad_(true);
    };
    const at::Tensor x = leaf(x_), weight = leaf(weight_);
    const at::Tensor bias = with_bias ? leaf(bias_) : at::Tensor();
    const at::Tensor y = convolve(x, weight, bias);
    y.backward(dy_.to(type));
    return {y.detach(), x.grad(), weight.grad(), with_bias ? bias.grad() : at::zeros({1})};
  }

  at::Tensor x_, weight_, bias_, dy_;
};

const auto kOurs = [](const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return TrainingConvolution(x, weight, bias);
};

TEST_P(TrainingConvolutionTest, GradientsAreThoseOfAConvolution) {
  const auto plain = [](const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
    return at::conv2d(x, weight, bias, 1, 1);
  };
  for (const bool with_bias : {true, false}) {
    const Results exact = Run(plain, at::kDouble, with_bias);
    const Results ours = Run(kOurs, at::kFloat, with_bias);
    EXPECT_LE(RelativeError(ours.y, exact.y), 3e-6);
    EXPECT_LE(RelativeError(ours.dx, exact.dx), 3e-6);
    EXPECT_LE(RelativeError(ours.dw, exact.dw), 3e-6);
    EXPECT_LE(RelativeError(ours.db, with_bias ? exact.db : at::ones({1})), with_bias ? 3e-6 : 1);
  }
}

TEST_P(TrainingConvolutionTest, TheSameTwice) {
  const Results a = Run(kOurs, at::kFloat, true);
  const Results b = Run(kOurs, at::kFloat, true);
  EXPECT_TRUE(a.y.equal(b.y) && a.dx.equal(b.dx) && a.dw.equal(b.dw) && a.db.equal(b.db));
}

TEST_P(TrainingConvolutionTest, InputsWithoutGradientGetNone) {
  const at::Tensor weight = weight_.clone().requires_grad_(true);
  TrainingConvolution(x_, weight, bias_).backward(dy_);
  EXPECT_TRUE(weight.grad().defined());
  EXPECT_FALSE(x_.grad().defined());
  EXPECT_FALSE(bias_.grad().defined());
  const at::Tensor x = x_.clone().requires_grad_(true);
  TrainingConvolution(x, weight_, {}).backward(dy_);
  EXPECT_TRUE(x.grad().defined());
  EXPECT_FALSE(weight_.grad().defined());
  EXPECT_FALSE(TrainingConvolution(x_, weight_, bias_).requires_grad());
}

// Maps in another memory format, and a ReLU in place, as a network has it.
TEST_P(TrainingConvolutionTest, TakesAnyMemoryFormatAndAReluAfterIt) {
  const at::Tensor x = x_.contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor weight = weight_.clone().requires_grad_(true);
  const at::Tensor y = TrainingConvolution(x, weight, bias_).relu_();
  EXPECT_TRUE(y.detach().equal(TrainingConvolution(x_, weight_, bias_).relu()));
  y.backward(dy_.contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(at::isfinite(weight.grad()).all().item<bool>());
}

// Bias, summand and ReLU in one function and apart, where a part of the input is zero.
TEST_P(TrainingConvolutionTest, AnEpilogueHasTheBitsOfItsOperators) {
  const auto results = [&](bool has_add, bool relu, bool apart) {
    const auto leaf = [](const at::Tensor& tensor) { return tensor.clone().requires_grad_(true); };
    at::Tensor half = x_.clone();
    half.slice(3, half.size(3) / 2).zero_();
    const at::Tensor x = leaf(half), weight = leaf(weight_), bias = leaf(bias_),
                     add = leaf(dy_ * 2);
    at::Tensor y;
    if (apart) {
      y = TrainingConvolution(x, weight, bias);
      if (has_add) y = y.add(add);
      if (relu) y = y.relu();
    } else {
      y = TrainingConvolution(x, weight, bias, {has_add ? add : at::Tensor(), relu});
    }
    y.backward(dy_);
    return std::vector<at::Tensor>{y.detach(), x.grad(), weight.grad(), bias.grad(),
                                   has_add ? add.grad() : at::ones({1})};
  };
  ExpectAnEpilogueHasTheBitsOfItsOperators(results);
}

// Nearly all tiles of the gradient are left out.
TEST_P(TrainingConvolutionTest, GradientsOfFewOutputsAreThoseOfAConvolution) {
  const at::Tensor all = dy_;
  const at::Tensor some =
      at::rand({dy_.size(0), 1, dy_.size(2), dy_.size(3)}, Generator(5)).lt(0.01);
  dy_ = all * some;
  if (!some.any().item<bool>()) return;
  const auto plain = [](const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
    return at::conv2d(x, weight, bias, 1, 1);
  };
  const Results exact = Run(plain, at::kDouble, true), ours = Run(kOurs, at::kFloat, true);
  EXPECT_LE(RelativeError(ours.dx, exact.dx), 3e-6);
  EXPECT_LE(RelativeError(ours.dw, exact.dw), 3e-6);
  EXPECT_LE(RelativeError(ours.db, exact.db), 3e-6);
  // Pixels that no output with a gradient sees.
  const at::Tensor unseen =
      at::max_pool2d(some.to(at::kFloat), {3, 3}, {1, 1}, {1, 1}).eq(0).expand_as(ours.dx);
  EXPECT_EQ(ours.dx.masked_select(unseen).abs().sum().item<float>(), 0);
}

TEST_P(TrainingConvolutionTest, WithoutAGradientThereIsNone) {
  dy_ = at::zeros_like(dy_);
  const Results ours = Run(kOurs, at::kFloat, true);
  EXPECT_EQ(ours.dx.abs().sum().item<float>(), 0);
  EXPECT_EQ(ours.dw.abs().sum().item<float>(), 0);
}

// A residual block of two convolutions after a ReLU.
TEST_P(TrainingConvolutionTest, LinkedGradientsHaveTheBitsOfSeparateOnes) {
  const Case& c = std::get<0>(GetParam());
  const auto results = [&](bool linked) {
    const auto leaf = [](const at::Tensor& tensor) { return tensor.clone().requires_grad_(true); };
    const at::Tensor x = leaf(x_), first = leaf(weight_);
    const at::Tensor last =
        leaf(at::randn({c.in_channels, c.out_channels, 3, 3}, Generator(5)) / 20);
    const at::Tensor before = x.relu();
    at::Tensor input = before;
    const at::Tensor inner = TrainingConvolution(
        before, first, bias_, {{}, true, {linked, linked, linked ? &input : nullptr}});
    const at::Tensor y =
        TrainingConvolution(inner, last, {}, {input, true, {false, linked, nullptr}});
    y.backward(at::randn(y.sizes(), Generator(6)));
    return std::vector<at::Tensor>{y.detach(), x.grad(), first.grad(), last.grad()};
  };
  ExpectSameBits(results(true), results(false));
}

INSTANTIATE_TEST_SUITE_P(Shapes, TrainingConvolutionTest,
                         ::testing::Combine(::testing::Values(Case{1, 16, 16, 32, 16},
                                                              Case{2, 24, 40, 30, 41},
                                                              Case{3, 64, 18, 17, 23}),
                                            LevelsFrom(InstructionLevel::kAvx2)));

// Channels and sides that fill neither panels, vectors nor tiles: primes, a row, a column, and many
// images of fewer pixels than a block has.
INSTANTIATE_TEST_SUITE_P(
    OddShapes, TrainingConvolutionTest,
    ::testing::Combine(::testing::Values(Case{1, 17, 19, 17, 31}, Case{2, 19, 33, 29, 9},
                                         Case{3, 16, 17, 7, 25}, Case{1, 23, 16, 1, 521},
                                         Case{1, 16, 23, 523, 1}, Case{37, 17, 16, 3, 5}),
                       LevelsFrom(InstructionLevel::kAvx2)));

// A stack of convolutions and ReLUs on a batch whose second image is smaller, with a
// gradient that reaches into the padding. If float32 rounding flips a ReLU, the
// gradient is that of a different network, so the exact gradient is computed for the
// ReLU decisions of the float32 network.
struct Stack {
  std::vector<at::Tensor> weights, decisions;

  at::Tensor Forward(at::Tensor x, bool exact) {
    for (size_t i = 0; i < weights.size(); ++i) {
      const at::Tensor bias = at::zeros({weights[i].size(0)}, weights[i].options());
      if (exact) {
        x = at::conv2d(x, weights[i], bias, 1, 1) * decisions[i];
      } else {
        x = TrainingConvolution(x, weights[i], bias).relu();
        decisions.push_back(x.detach() > 0);
      }
    }
    return x;
  }
};

TEST(TrainingConvolutionOfStacksTest, GradientsAreExactForTheDecisionsMade) {
  if (!PanelProductAvailable()) GTEST_SKIP() << "this processor has no AVX2 and FMA";
  at::Tensor image = at::randn({2, 16, 40, 48}, Generator(1));
  image[1].slice(2, 23).zero_();
  image[1].slice(1, 31).zero_();
  Stack rounded;
  for (uint64_t i = 0; i < 5; ++i) {
    const at::Tensor weight = at::randn({16, 16, 3, 3}, Generator(10 + i)) * std::sqrt(2.0 / 144);
    rounded.weights.push_back(weight.requires_grad_(true));
  }
  const at::Tensor dy = at::randn({2, 16, 40, 48}, Generator(3));
  rounded.Forward(image, /*exact=*/false).backward(dy);
  // No output that sees only padding passes a gradient.
  EXPECT_EQ(rounded.decisions[0][1].slice(2, 24).sum().item<int64_t>(), 0);
  EXPECT_EQ(rounded.decisions[4][1].slice(2, 28).sum().item<int64_t>(), 0);
  Stack exact = {{}, rounded.decisions};
  for (const at::Tensor& weight : rounded.weights) {
    exact.weights.push_back(weight.detach().to(at::kDouble).requires_grad_(true));
  }
  exact.Forward(image.to(at::kDouble), /*exact=*/true).backward(dy.to(at::kDouble));
  for (size_t i = 0; i < exact.weights.size(); ++i) {
    EXPECT_LE(RelativeError(rounded.weights[i].grad(), exact.weights[i].grad()), 1e-5) << i;
  }
}

TEST(CanTrainWithWinogradTest, IsUsedOnlyIfFaster) {
  if (!PanelProductAvailable()) GTEST_SKIP() << "this processor has no AVX2 and FMA";
  const at::Tensor x = at::zeros({1, 64, 50, 50}), weight = at::zeros({64, 64, 3, 3});
  EXPECT_TRUE(CanTrainWithWinograd(x, weight, 1, 1));
  EXPECT_FALSE(CanTrainWithWinograd(x, weight, 2, 1));
  EXPECT_FALSE(CanTrainWithWinograd(x, weight, 1, 0));
  EXPECT_FALSE(CanTrainWithWinograd(x, at::zeros({64, 64, 1, 1}), 1, 1));
  EXPECT_FALSE(CanTrainWithWinograd(at::zeros({1, 3, 50, 50}), at::zeros({64, 3, 3, 3}), 1, 1));
  EXPECT_FALSE(CanTrainWithWinograd(at::zeros({1, 64, 5, 5}), weight, 1, 1));
  EXPECT_FALSE(CanTrainWithWinograd(x.to(at::kDouble), weight.to(at::kDouble), 1, 1));
}

}  // namespace
}  // namespace rcnn::detection
