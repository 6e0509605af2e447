#include "rcnn/detection/convolution/training_pointwise.h"

#include <ATen/ATen.h>

#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/autocast_scope.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/detection/convolution/convolution_cases.h"
#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/training_checks.h"

namespace rcnn::detection {
namespace {

at::Tensor Draw(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed));
}

at::Tensor Ours(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return TrainingPointwise(x, weight, bias);
}

class TrainingPointwiseTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, TrainingPointwiseTest, LevelsFrom(InstructionLevel::kAvx2),
                         LevelName);

// One image and several; channels that fill their panels and that do not, and the few outputs of an
// RPN.
TEST_P(TrainingPointwiseTest, GradientsAreThoseOfAConvolution) {
  const PatchKernel kernel;  // 1 x 1
  for (const PatchShape& shape :
       {PatchShape{1, 16, 16, 32, 16, kernel}, PatchShape{3, 40, 23, 17, 31, kernel},
        PatchShape{2, 18, 70, 30, 41, kernel}, PatchShape{1, 37, 3, 16, 16, kernel},
        PatchShape{1, 130, 67, 1, 257, kernel}, PatchShape{5, 16, 1, 13, 7, kernel}}) {
    ExpectGradientsOfAConvolution(shape, Ours);
  }
}

TEST_P(TrainingPointwiseTest, ThreadsAndLevelsChangeNoBit) {
  const PatchShape shape = {2, 40, 33, 17, 31, {}};
  ExpectThreadsAndLevelsChangeNoBit(
      [&] { return TrainOnce(shape, Ours, at::kFloat, /*with_bias=*/false); });
}

TEST_P(TrainingPointwiseTest, InputsWithoutGradientGetNone) {
  const at::Tensor x = Draw({1, 16, 20, 30}, 1), weight = Draw({18, 16, 1, 1}, 2);
  const at::Tensor dy = Draw({1, 18, 20, 30}, 3);
  const at::Tensor trained = weight.clone().requires_grad_(true);
  TrainingPointwise(x, trained, {}).backward(dy);
  EXPECT_TRUE(trained.grad().defined());
  EXPECT_FALSE(x.grad().defined());
  const at::Tensor input = x.clone().requires_grad_(true);
  TrainingPointwise(input, weight, {}).backward(dy);
  EXPECT_TRUE(input.grad().defined());
  EXPECT_FALSE(TrainingPointwise(x, weight, {}).requires_grad());
}

// Maps in another memory format, and a ReLU in place, as a network has it.
TEST_P(TrainingPointwiseTest, TakesAnyMemoryFormatAndAReluAfterIt) {
  const auto last = at::MemoryFormat::ChannelsLast;
  const at::Tensor x = Draw({2, 16, 20, 30}, 1), weight = Draw({18, 16, 1, 1}, 2);
  const at::Tensor dy = Draw({2, 18, 20, 30}, 3);
  const auto gradient = [&](const at::Tensor& input, const at::Tensor& output_gradient) {
    const at::Tensor leaf = weight.clone().requires_grad_(true);
    TrainingPointwise(input, leaf, {}).relu_().backward(output_gradient);
    return leaf.grad();
  };
  EXPECT_TRUE(gradient(x.contiguous(last), dy.contiguous(last)).equal(gradient(x, dy)));
}

// Bias, summand and ReLU in one function and apart, of products that are one chunk of sums: of
// more, the summand is added to the first.
TEST_P(TrainingPointwiseTest, AnEpilogueHasTheBitsOfItsOperators) {
  const auto results = [](bool has_add, bool relu, bool apart) {
    const auto leaf = [](at::IntArrayRef shape, uint64_t seed) {
      return Draw(shape, seed).requires_grad_(true);
    };
    const at::Tensor x = leaf({2, 18, 17, 19}, 1), weight = leaf({21, 18, 1, 1}, 2);
    const at::Tensor bias = leaf({21}, 3), add = leaf({2, 21, 17, 19}, 4);
    at::Tensor y;
    if (apart) {
      y = TrainingPointwise(x, weight, bias);
      if (has_add) y = y.add(add);
      if (relu) y = y.relu();
    } else {
      y = TrainingPointwise(x, weight, bias, {has_add ? add : at::Tensor(), relu});
    }
    y.backward(Draw({2, 21, 17, 19}, 5));
    return std::vector<at::Tensor>{y.detach(), x.grad(), weight.grad(), bias.grad(),
                                   has_add ? add.grad() : at::ones({1})};
  };
  ExpectAnEpilogueHasTheBitsOfItsOperators(results);
}

// Two residual blocks of two convolutions, of which the second's input is the first's ReLU.
TEST_P(TrainingPointwiseTest, LinkedGradientsHaveTheBitsOfSeparateOnes) {
  const auto results = [](bool linked) {
    const auto leaf = [](at::IntArrayRef shape, uint64_t seed) {
      return Draw(shape, seed).requires_grad_(true);
    };
    const at::Tensor x = leaf({2, 18, 17, 19}, 1), bias = leaf({21}, 2);
    std::vector<at::Tensor> leaves = {x, bias};
    at::Tensor y = x;
    for (uint64_t block = 0; block < 2; ++block) {
      const at::Tensor first = leaf({21, 18, 1, 1}, 10 + block),
                       last = leaf({18, 21, 1, 1}, 20 + block);
      at::Tensor input = y;
      const at::Tensor inner = TrainingPointwise(
          y, first, bias, {{}, true, {linked, linked && block > 0, linked ? &input : nullptr}});
      y = TrainingPointwise(inner, last, {},
                            {input, true, {linked && block == 0, linked, nullptr}});
      leaves.insert(leaves.end(), {first, last});
    }
    y.backward(Draw({2, 18, 17, 19}, 5));
    std::vector<at::Tensor> found = {y.detach()};
    for (const at::Tensor& of : leaves) found.push_back(of.grad());
    return found;
  };
  ExpectSameBits(results(true), results(false));
}

// A block whose input has no gradient.
TEST_P(TrainingPointwiseTest, AnInputWithoutGradientPassesThrough) {
  const at::Tensor x = Draw({1, 16, 20, 30}, 1);
  const at::Tensor first = Draw({16, 16, 1, 1}, 2).requires_grad_();
  const at::Tensor last = Draw({16, 16, 1, 1}, 3).requires_grad_();
  at::Tensor input;
  const at::Tensor y = TrainingPointwise(x, first, {}, {{}, true, {true, false, &input}});
  EXPECT_TRUE(input.equal(x));
  EXPECT_FALSE(input.requires_grad());  // or the shortcut would compute its gradient
  TrainingPointwise(y, last, {}, {input, true, {false, true, nullptr}})
      .backward(Draw({1, 16, 20, 30}, 4));
  EXPECT_FALSE(x.grad().defined());
  const at::Tensor plain = first.detach().requires_grad_(), other = last.detach().requires_grad_();
  const at::Tensor z = TrainingPointwise(x, plain, {}, {{}, true});
  TrainingPointwise(z, other, {}, {x, true}).backward(Draw({1, 16, 20, 30}, 4));
  EXPECT_TRUE(first.grad().equal(plain.grad()));
  EXPECT_TRUE(last.grad().equal(other.grad()));
}

TEST_P(TrainingPointwiseTest, ASummandOfAnotherShapeIsAnError) {
  const at::Tensor x = Draw({1, 16, 20, 30}, 1), weight = Draw({18, 16, 1, 1}, 2);
  EXPECT_THROW(TrainingPointwise(x, weight, {}, {at::zeros({1, 18, 1, 1}), false}), c10::Error);
}

TEST(CanTrainPointwiseTest, IsUsedOnlyWhereItCanBe) {
  if (!PanelProductAvailable()) GTEST_SKIP() << "this processor has no AVX2 and FMA";
  const at::Tensor x = at::zeros({1, 64, 50, 50}), weight = at::zeros({64, 64, 1, 1});
  EXPECT_TRUE(CanTrainPointwise(x, weight, 1, 0));
  EXPECT_FALSE(CanTrainPointwise(x, weight, 2, 0));
  EXPECT_FALSE(CanTrainPointwise(x, weight, 1, 1));
  EXPECT_FALSE(CanTrainPointwise(x, at::zeros({64, 64, 3, 3}), 1, 0));
  EXPECT_TRUE(CanTrainPointwise(x, at::zeros({3, 64, 1, 1}), 1, 0));
  EXPECT_FALSE(CanTrainPointwise(at::zeros({1, 12, 50, 50}), at::zeros({64, 12, 1, 1}), 1, 0));
  EXPECT_FALSE(CanTrainPointwise(x, at::zeros({64, 32, 1, 1}), 1, 0));  // an error of at::conv2d
  EXPECT_FALSE(CanTrainPointwise(at::zeros({1, 64, 5, 5}), weight, 1, 0));
  EXPECT_FALSE(CanTrainPointwise(x.to(at::kDouble), weight.to(at::kDouble), 1, 0));
  const AutocastScope scope(c10::DeviceType::CPU, at::kBFloat16);
  EXPECT_FALSE(CanTrainPointwise(x, weight, 1, 0));
}

}  // namespace
}  // namespace rcnn::detection
