#include "rcnn/ops/kernels/weight_update.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "rcnn/ops/testing/host_grid.h"
#include "rcnn/ops/testing/test_seed.h"

namespace rcnn::ops {
namespace {

using ::rcnn::ops::testing::HostGrid;
using ::rcnn::ops::testing::HostOrder;
using ::rcnn::ops::testing::kAllHostOrders;
using ::rcnn::ops::testing::TestSeed;

// Fewer than a group of eight, whole tiles and chunks, and one element more.
const std::vector<int64_t> kCounts = {1, 7, 2048, 2049, 32768, 32769, 70001, 3};

struct Weight {
  std::vector<float> values, gradient, first, second;
  int64_t updates = 0;
  double rate = 0;
  double decay = 0;
};

using Weights = std::vector<Weight>;

std::vector<float> Draw(int64_t count, std::mt19937_64& random) {
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(random);
  return values;
}

Weights MakeWeights() {
  std::mt19937_64 random(TestSeed());
  Weights weights;
  for (const int64_t count : kCounts) {
    Weight weight{Draw(count, random), Draw(count, random), Draw(count, random),
                  Draw(count, random)};
    for (float& value : weight.second) value *= value;
    weight.updates = static_cast<int64_t>(weights.size());
    weight.rate = 0.01 * static_cast<double>(weights.size() + 1);
    weight.decay = weights.size() % 2 == 0 ? 0.125 : 0;
    weights.push_back(weight);
  }
  return weights;
}

struct Options {
  WeightUpdateRule rule;
  double max_norm = 0;
  float loss_scale = 1;
  bool allowed = true;
};

Options Sgd(bool rate_inside) {
  Options options;
  options.rule.momentum = 0.9;
  options.rule.rate_inside = rate_inside;
  return options;
}

Options AdamW() {
  Options options;
  options.rule.is_adamw = true;
  options.rule.beta1 = 0.9;
  options.rule.beta2 = 0.999;
  options.rule.epsilon = 1e-8;
  return options;
}

constexpr int64_t kBatches = 3;

struct Result {
  double norm = -1;
  bool finite = false;
};

Result UpdateByGrid(const Options& options, HostOrder order, Weights& weights) {
  std::vector<UpdatedWeight> rows;
  std::vector<UpdateChunk> chunks;
  for (Weight& weight : weights) {
    const auto count = static_cast<int64_t>(weight.values.size());
    for (int32_t c = 0; int64_t{c} * kUpdateChunk < count; ++c) {
      chunks.push_back({static_cast<int32_t>(rows.size()), c});
    }
    rows.push_back({weight.values.data(), weight.gradient.data(), weight.first.data(),
                    weight.second.data(), &weight.updates, count, weight.rate, weight.decay});
  }
  std::vector<double> squares(chunks.size());
  UpdateDecision decision{};
  Result result;
  const WeightUpdate update = {options.rule,     kBatches,
                               options.max_norm, static_cast<int64_t>(rows.size()),
                               rows.data(),      static_cast<int64_t>(chunks.size()),
                               chunks.data(),    &options.loss_scale,
                               &options.allowed, squares.data(),
                               &decision,        &result.norm,
                               &result.finite};
  HostGrid launch(order, TestSeed());
  RunWeightUpdate(launch, update);
  EXPECT_EQ(launch.conflict(), "");
  return result;
}

// The sum in the order that weight_update.h describes.
double SlowSquares(const std::vector<float>& gradient) {
  double total = 0;
  for (size_t begin = 0; begin < gradient.size(); begin += kUpdateChunk) {
    const size_t count = std::min<size_t>(kUpdateChunk, gradient.size() - begin);
    double sums[8] = {};
    for (size_t i = 0; i < count; ++i) {
      const double g = gradient[begin + i];
      sums[i < count / 8 * 8 ? i % 8 : 0] += g * g;
    }
    total +=
        ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
  }
  return total;
}

double SlowNorm(const Weights& weights) {
  double total = 0;
  for (const Weight& weight : weights) total += SlowSquares(weight.gradient);
  return std::sqrt(total) / kBatches;
}

void SlowSgd(const Options& options, double scale, Weight& weight) {
  const auto factor = static_cast<float>(scale), decay = static_cast<float>(weight.decay);
  const auto rate = static_cast<float>(weight.rate), momentum = static_cast<float>(0.9);
  for (size_t i = 0; i < weight.values.size(); ++i) {
    float& v = weight.first[i];
    const float g = factor * weight.gradient[i] + decay * weight.values[i];
    v = momentum * v + (options.rule.rate_inside ? rate * g : g);
    weight.values[i] -= options.rule.rate_inside ? v : rate * v;
  }
}

// Configs/solver.proto's formulas in double.
std::vector<double> SlowAdamW(double scale, const Weight& weight) {
  const auto t = static_cast<double>(weight.updates + 1);
  std::vector<double> values;
  for (size_t i = 0; i < weight.values.size(); ++i) {
    const double g = scale * weight.gradient[i];
    const double m = 0.9 * weight.first[i] + 0.1 * g;
    const double v = 0.999 * weight.second[i] + 0.001 * g * g;
    values.push_back((1 - weight.rate * weight.decay) * weight.values[i] -
                     weight.rate * (m / (1 - std::pow(0.9, t))) /
                         (std::sqrt(v / (1 - std::pow(0.999, t))) + 1e-8));
  }
  return values;
}

void ExpectEqual(const Weights& a, const Weights& b) {
  for (size_t p = 0; p < a.size(); ++p) {
    EXPECT_EQ(a[p].values, b[p].values) << p;
    EXPECT_EQ(a[p].first, b[p].first) << p;
    EXPECT_EQ(a[p].second, b[p].second) << p;
    EXPECT_EQ(a[p].updates, b[p].updates) << p;
  }
}

TEST(WeightUpdateKernelTest, SgdEqualsASlowLoop) {
  for (const bool rate_inside : {false, true}) {
    Weights expected = MakeWeights();
    for (Weight& weight : expected) SlowSgd(Sgd(rate_inside), 1.0 / kBatches, weight);
    for (const HostOrder order : kAllHostOrders) {
      Weights weights = MakeWeights();
      const Result result = UpdateByGrid(Sgd(rate_inside), order, weights);
      EXPECT_EQ(result.norm, SlowNorm(weights));
      EXPECT_TRUE(result.finite);
      ExpectEqual(weights, expected);
    }
  }
}

TEST(WeightUpdateKernelTest, AdamWEqualsItsFormulasInDouble) {
  const Weights start = MakeWeights();
  Weights weights = start;
  UpdateByGrid(AdamW(), HostOrder::kForward, weights);
  for (size_t p = 0; p < start.size(); ++p) {
    EXPECT_EQ(weights[p].updates, start[p].updates + 1);
    const std::vector<double> expected = SlowAdamW(1.0 / kBatches, start[p]);
    for (size_t i = 0; i < expected.size(); ++i) {
      // Some roundings of float32, of weights and steps of at most some units.
      ASSERT_NEAR(weights[p].values[i], expected[i], 1e-5) << p << " " << i;
    }
  }
}

TEST(WeightUpdateKernelTest, AdamWHasTheSameBitsInAnyOrder) {
  Weights expected = MakeWeights();
  UpdateByGrid(AdamW(), HostOrder::kForward, expected);
  for (const HostOrder order : {HostOrder::kReversed, HostOrder::kIsolated}) {
    Weights weights = MakeWeights();
    UpdateByGrid(AdamW(), order, weights);
    ExpectEqual(weights, expected);
  }
}

TEST(WeightUpdateKernelTest, LimitsTheNorm) {
  Options options = Sgd(/*rate_inside=*/false);
  Weights weights = MakeWeights(), expected = weights;
  const double norm = SlowNorm(weights);
  options.max_norm = norm / 2;
  for (Weight& weight : expected) {
    SlowSgd(options, 1.0 / kBatches * (options.max_norm / norm), weight);
  }
  EXPECT_EQ(UpdateByGrid(options, HostOrder::kForward, weights).norm, norm);
  ExpectEqual(weights, expected);
}

TEST(WeightUpdateKernelTest, DividesByTheLossScale) {
  Options options = Sgd(/*rate_inside=*/true);
  Weights weights = MakeWeights(), expected = weights;
  UpdateByGrid(options, HostOrder::kForward, expected);
  const double norm = SlowNorm(weights);
  options.loss_scale = 1024;  // a power of two, so that no bit changes
  for (Weight& weight : weights) {
    for (float& g : weight.gradient) g *= options.loss_scale;
  }
  EXPECT_EQ(UpdateByGrid(options, HostOrder::kForward, weights).norm, norm);
  ExpectEqual(weights, expected);
}

TEST(WeightUpdateKernelTest, ChangesNothingIfAGradientIsNotFinite) {
  for (const float bad :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    for (const Options& options : {Sgd(false), AdamW()}) {
      const Weights start = MakeWeights();
      Weights weights = start;
      weights[6].gradient[69999] = bad;
      const Result result = UpdateByGrid(options, HostOrder::kForward, weights);
      EXPECT_FALSE(result.finite);
      EXPECT_EQ(result.norm, 0);
      ExpectEqual(weights, start);
    }
  }
}

TEST(WeightUpdateKernelTest, ChangesNothingUnlessItIsAllowed) {
  for (Options options : {Sgd(true), AdamW()}) {
    options.allowed = false;
    const Weights start = MakeWeights();
    Weights weights = start;
    const Result result = UpdateByGrid(options, HostOrder::kForward, weights);
    EXPECT_TRUE(result.finite);
    EXPECT_EQ(result.norm, SlowNorm(start));
    ExpectEqual(weights, start);
  }
}

TEST(WeightUpdateKernelTest, WithoutWeightsTheNormIsZero) {
  Weights none;
  const Result result = UpdateByGrid(AdamW(), HostOrder::kForward, none);
  EXPECT_TRUE(result.finite);
  EXPECT_EQ(result.norm, 0);
}

}  // namespace
}  // namespace rcnn::ops
