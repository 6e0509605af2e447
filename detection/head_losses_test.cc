// The head's losses against their formulas, and the errors of outputs that are not finite. Of
// samples of a fixed size: counted_training_test.cc.

#include "rcnn/detection/head_losses.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/detection/testing/slow_layers.h"
#include "rcnn/ops/error_message.h"

namespace rcnn::detection {
namespace {

using ::testing::ElementsAre;
using ::testing::StartsWith;

constexpr double kBeta = 0.5;

at::Generator Generator(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

configs::HeadLossConfig Config() {
  configs::HeadLossConfig config;
  config.set_smooth_l1_beta(kBeta);
  config.set_box_weight(2);
  return config;
}

// Five RoIs, three of them positive, of three classes.
RoiSamples Samples() {
  return {at::zeros({5, 5}), at::tensor({2, 0, 3, 0, 1}, at::kLong),
          at::randn({5, 4}, Generator(8)), 3};
}

HeadOutput Output() { return {at::randn({5, 4}, Generator(9)), at::randn({5, 16}, Generator(10))}; }

double SmoothL1(double x) {
  x = std::abs(x);
  return x < kBeta ? x * x / (2 * kBeta) : x - kBeta / 2;
}

// Cross entropy, and the box loss `distance` of each delta, summed over the RoIs. `mean`, `std`
// [4, 4]: of each class's box targets.
std::pair<double, double> SlowLosses(const HeadOutput& output, const RoiSamples& samples,
                                     const at::Tensor& mean, const at::Tensor& std,
                                     const std::function<double(double)>& distance) {
  double classes = 0, box = 0;
  for (int64_t r = 0; r < samples.labels.size(0); ++r) {
    const int64_t label = samples.labels[r].item<int64_t>();
    classes -= std::log(SlowProbability(output.logits[r], label));
    const at::Tensor target = (samples.box_targets[r].to(at::kDouble) - mean[label]) / std[label];
    for (int64_t i = 0; label > 0 && i < 4; ++i) {
      const double delta = output.deltas[r][4 * label + i].item<double>();
      box += distance(delta - target[i].item<double>());
    }
  }
  return {classes, box};
}

TEST(HeadLossesTest, EqualTheirFormulas) {
  BoxNormalization normalization;
  at::Tensor mean = at::zeros({4, 4}), std = at::ones({4, 4});
  for (const bool normalised : {false, true}) {
    if (normalised) {
      mean = at::randn({4, 4}, Generator(5));
      std = at::rand({4, 4}, Generator(6)) + 0.5;
      normalization.Set(mean, std);
    }
    const auto [classes, box] = SlowLosses(Output(), Samples(), mean, std, SmoothL1);
    const HeadLosses losses =
        ComputeHeadLosses(Output(), Samples(), normalization, nullptr, Config());
    EXPECT_NEAR(losses.classes.item<double>(), classes / 5, 1e-5);
    EXPECT_NEAR(losses.box.item<double>(), 2 * box / 5, 1e-5 * box);
    EXPECT_THAT((std::vector<int64_t>{losses.positives, losses.negatives}), ElementsAre(3, 2));
  }
}

TEST(HeadLossesTest, AnotherBoxLossReplacesSmoothL1) {
  const BoxLoss half_square = [](const at::Tensor& predictions, const at::Tensor& targets,
                                 const BoxLossOptions& options) {
    EXPECT_EQ(options.beta, kBeta);
    return 0.5 * (predictions - targets).square().sum();
  };
  const auto [classes, box] = SlowLosses(Output(), Samples(), at::zeros({4, 4}), at::ones({4, 4}),
                                         [](double x) { return x * x / 2; });
  const HeadLosses losses =
      ComputeHeadLosses(Output(), Samples(), BoxNormalization(), &half_square, Config());
  EXPECT_NEAR(losses.classes.item<double>(), classes / 5, 1e-5);
  EXPECT_NEAR(losses.box.item<double>(), 2 * box / 5, 1e-5 * box);
}

TEST(HeadLossesTest, APartIsDividedByTheRoisOfTheWholeBatch) {
  const HeadLosses whole =
      ComputeHeadLosses(Output(), Samples(), BoxNormalization(), nullptr, Config());
  RoiSamples part = Samples();
  part.rois_of_batch = int64_t{20};
  const HeadLosses losses =
      ComputeHeadLosses(Output(), part, BoxNormalization(), nullptr, Config());
  EXPECT_NEAR(losses.classes.item<double>(), whole.classes.item<double>() / 4, 1e-6);
  EXPECT_NEAR(losses.box.item<double>(), whole.box.item<double>() / 4, 1e-5);
}

TEST(HeadLossesTest, OutputsThatAreNotFiniteAreNamed) {
  HeadOutput output = {at::zeros({5, 4}), at::zeros({5, 16})};
  const auto compute = [&] {
    return ComputeHeadLosses(output, Samples(), BoxNormalization(), nullptr, Config());
  };
  EXPECT_FALSE(compute().finite.defined()) << "on the CPU";
  output.deltas[2][1].fill_(NAN);
  EXPECT_THAT(ops::ErrorMessage(compute), StartsWith("deltas of RoIs: row 2 is ("));
  output.logits[3][1].fill_(INFINITY);
  EXPECT_THAT(ops::ErrorMessage(compute), StartsWith("logits of RoIs: row 3 is ("));
}

}  // namespace
}  // namespace rcnn::detection
