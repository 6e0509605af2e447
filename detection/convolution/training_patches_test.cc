#include "rcnn/detection/convolution/training_patches.h"

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

TrainedConvolution Ours(const PatchKernel& kernel) {
  return [kernel](const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
    return TrainingPatches(x, weight, bias, kernel.stride, kernel.padding);
  };
}

class TrainingPatchesTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, TrainingPatchesTest, LevelsFrom(InstructionLevel::kAvx2),
                         LevelName);

// The kernels of a ResNet and of the first layer of VGG16; channels that fill their panels and that
// do not; sides that are multiples of the stride and that are not.
TEST_P(TrainingPatchesTest, GradientsAreThoseOfAConvolution) {
  for (const PatchShape& shape :
       {PatchShape{1, 16, 16, 32, 34, {3, 2, 1}}, PatchShape{2, 23, 18, 29, 31, {3, 2, 1}},
        PatchShape{3, 40, 33, 21, 20, {1, 2, 0}}, PatchShape{1, 3, 20, 45, 37, {7, 2, 3}},
        PatchShape{1, 3, 17, 19, 23, {3, 1, 1}}}) {
    ExpectGradientsOfAConvolution(shape, Ours(shape.kernel));
  }
}

TEST_P(TrainingPatchesTest, ThreadsAndLevelsChangeNoBit) {
  const PatchShape shape = {2, 40, 33, 37, 31, {3, 2, 1}};
  ExpectThreadsAndLevelsChangeNoBit(
      [&] { return TrainOnce(shape, Ours(shape.kernel), at::kFloat, /*with_bias=*/false); });
}

TEST_P(TrainingPatchesTest, InputsWithoutGradientGetNone) {
  const at::Tensor x = Draw({1, 16, 40, 60}, 1), weight = Draw({18, 16, 3, 3}, 2);
  const at::Tensor dy = Draw({1, 18, 20, 30}, 3);
  const at::Tensor trained = weight.clone().requires_grad_(true);
  TrainingPatches(x, trained, {}, 2, 1).backward(dy);
  EXPECT_TRUE(trained.grad().defined());
  EXPECT_FALSE(x.grad().defined());
  const at::Tensor input = x.clone().requires_grad_(true);
  TrainingPatches(input, weight, {}, 2, 1).backward(dy);
  EXPECT_TRUE(input.grad().defined());
  EXPECT_FALSE(TrainingPatches(x, weight, {}, 2, 1).requires_grad());
}

// Maps in another memory format, and a ReLU in place, as a network has it.
TEST_P(TrainingPatchesTest, TakesAnyMemoryFormatAndAReluAfterIt) {
  const auto last = at::MemoryFormat::ChannelsLast;
  const at::Tensor x = Draw({2, 16, 40, 60}, 1), weight = Draw({18, 16, 3, 3}, 2);
  const at::Tensor dy = Draw({2, 18, 20, 30}, 3);
  const auto gradient = [&](const at::Tensor& input, const at::Tensor& output_gradient) {
    const at::Tensor leaf = weight.clone().requires_grad_(true);
    TrainingPatches(input, leaf, {}, 2, 1).relu_().backward(output_gradient);
    return leaf.grad();
  };
  EXPECT_TRUE(gradient(x.contiguous(last), dy.contiguous(last)).equal(gradient(x, dy)));
}

// Bias, summand and ReLU in one function and apart, of products that are one chunk of sums: of
// more, the summand is added to the first.
TEST_P(TrainingPatchesTest, AnEpilogueHasTheBitsOfItsOperators) {
  const auto results = [](bool has_add, bool relu, bool apart) {
    const auto leaf = [](at::IntArrayRef shape, uint64_t seed) {
      return Draw(shape, seed).requires_grad_(true);
    };
    const at::Tensor x = leaf({2, 6, 33, 37}, 1), weight = leaf({21, 6, 3, 3}, 2);
    const at::Tensor bias = leaf({21}, 3), add = leaf({2, 21, 17, 19}, 4);
    at::Tensor y;
    if (apart) {
      y = TrainingPatches(x, weight, bias, 2, 1);
      if (has_add) y = y.add(add);
      if (relu) y = y.relu();
    } else {
      y = TrainingPatches(x, weight, bias, 2, 1, {has_add ? add : at::Tensor(), relu});
    }
    y.backward(Draw({2, 21, 17, 19}, 5));
    return std::vector<at::Tensor>{y.detach(), x.grad(), weight.grad(), bias.grad(),
                                   has_add ? add.grad() : at::ones({1})};
  };
  ExpectAnEpilogueHasTheBitsOfItsOperators(results);
}

// A ReLU, a convolution, and another reader of the ReLU's output.
TEST_P(TrainingPatchesTest, LinkedGradientsHaveTheBitsOfSeparateOnes) {
  const auto results = [](bool linked, bool reads) {
    const auto leaf = [](at::IntArrayRef shape, uint64_t seed) {
      return Draw(shape, seed).requires_grad_(true);
    };
    const at::Tensor x = leaf({2, 6, 33, 37}, 1), first = leaf({18, 6, 3, 3}, 2);
    const at::Tensor second = leaf({21, 18, 3, 3}, 3);
    at::Tensor y = TrainingPatches(x, first, {}, 1, 1, {{}, true, {linked, false, nullptr}});
    at::Tensor again = y;
    const at::Tensor z = TrainingPatches(
        y, second, {}, 2, 1, {{}, false, {false, linked, linked && reads ? &again : nullptr}});
    at::Tensor loss = (z * Draw({2, 21, 17, 19}, 5)).sum();
    if (reads) loss = loss + (again * Draw({2, 18, 33, 37}, 6)).sum();
    loss.backward();
    return std::vector<at::Tensor>{z.detach(), x.grad(), first.grad(), second.grad()};
  };
  for (const bool reads : {false, true}) {
    ExpectSameBits(results(true, reads), results(false, reads));
  }
}

TEST(CanTrainPatchesTest, IsUsedOnlyWhereItCanBe) {
  if (!PanelProductAvailable()) GTEST_SKIP() << "this processor has no AVX2 and FMA";
  const at::Tensor x = at::zeros({1, 64, 50, 50}), weight = at::zeros({64, 64, 3, 3});
  EXPECT_TRUE(CanTrainPatches(x, weight, 2, 1));
  EXPECT_FALSE(CanTrainPatches(x, weight, 1, 1));
  EXPECT_TRUE(CanTrainPatches(at::zeros({1, 3, 50, 50}), at::zeros({64, 3, 3, 3}), 1, 1));
  EXPECT_FALSE(CanTrainPatches(at::zeros({1, 3, 50, 50}), at::zeros({64, 3, 1, 1}), 2, 0));
  EXPECT_FALSE(CanTrainPatches(x, at::zeros({64, 64, 3, 1}), 2, 1));
  EXPECT_FALSE(CanTrainPatches(x, at::zeros({12, 64, 3, 3}), 2, 1));
  EXPECT_FALSE(CanTrainPatches(x, at::zeros({64, 32, 3, 3}), 2, 1));  // an error of at::conv2d
  EXPECT_FALSE(CanTrainPatches(at::zeros({1, 64, 20, 20}), weight, 2, 1));
  EXPECT_FALSE(CanTrainPatches(at::zeros({400, 64, 1, 1}), weight, 2, 0));  // likewise
  EXPECT_FALSE(CanTrainPatches(x.to(at::kDouble), weight.to(at::kDouble), 2, 1));
  const AutocastScope scope(c10::DeviceType::CPU, at::kBFloat16);
  EXPECT_FALSE(CanTrainPatches(x, weight, 2, 1));
}

}  // namespace
}  // namespace rcnn::detection
