#include "rcnn/training/trainer/solver.h"

#include <ATen/Parallel.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"

namespace rcnn::training {
namespace {

using detection::weights::StateDict;
using ::testing::HasSubstr;

configs::SolverConfig Parse(const std::string& text) {
  return configs::ParseTextOrDie<configs::SolverConfig>(text);
}

at::Tensor Leaf(const at::Tensor& value) { return value.clone().requires_grad_(); }

at::Tensor Random(at::IntArrayRef sizes, int64_t step) {
  return at::randn(sizes, MakeGenerator({1, "solver_test", step, "values"}));
}

Solver MakeSolver(const std::string& config, std::vector<TrainedParameter> parameters) {
  absl::StatusOr<Solver> solver = Solver::Create(Parse(config), std::move(parameters));
  EXPECT_THAT(solver, IsOk());
  return *std::move(solver);
}

// The values of one scalar weight after each update, given its gradient in each.
std::vector<double> Trace(const std::string& config, const std::vector<float>& gradients) {
  at::Tensor w = Leaf(at::full({1}, 1.0f));
  Solver solver = MakeSolver(config, {{"w.weight", w}});
  std::vector<double> values;
  for (size_t i = 0; i < gradients.size(); ++i) {
    w.mutable_grad() = at::full({1}, gradients[i]);
    EXPECT_THAT(solver.Update(static_cast<int64_t>(i)), IsOk());
    values.push_back(w.item<float>());
  }
  return values;
}

// Worked by hand, momentum 1/2, rate 1 dropping to 1/2 at the third update,
// gradient 1, no decay.
//   PyTorch: v = 1, 3/2, 7/4, 15/8;  w = 1 - 1 = 0, -3/2, -3/2 - 7/8 = -19/8, -19/8 - 15/16
//   Caffe:   h = 1, 3/2, 3/4 + 1/2 = 5/4, 5/8 + 1/2 = 9/8;  w = 0, -3/2, -11/4, -31/8
TEST(SolverTest, MomentumWhenTheRateDrops) {
  const std::string drop =
      " learning_rate: 1 weight_decay: 0 iterations: 4 step { size: 2 gamma: 0.5 }";
  EXPECT_EQ(Trace("sgd { momentum: 0.5 }" + drop, {1, 1, 1, 1}),
            (std::vector<double>{0, -1.5, -2.375, -3.3125}));
  EXPECT_EQ(Trace("sgd { momentum: 0.5 momentum_form: LR_INSIDE }" + drop, {1, 1, 1, 1}),
            (std::vector<double>{0, -1.5, -2.75, -3.875}));
}

// w <- w - lr * decay * w with a zero gradient and no momentum.
TEST(SolverTest, DecayIsAddedToTheGradient) {
  EXPECT_EQ(Trace("sgd { momentum: 0 } learning_rate: 0.5 weight_decay: 0.5 iterations: 2", {0, 0}),
            (std::vector<double>{0.75, 0.5625}));
}

// With a constant gradient both corrected moments equal it: a step is
// rate * g / (|g| + eps) = rate, whatever the gradient's size.
TEST(SolverTest, AdamWStepsByTheRateWhenTheGradientIsConstant) {
  const std::vector<double> values =
      Trace("adamw {} learning_rate: 0.25 weight_decay: 0 iterations: 3", {3, 3, 3});
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(values[i], 1 - 0.25 * static_cast<double>(i + 1), 1e-6);
  }
}

TEST(SolverTest, AdamWDecayShrinksWeightsBesideTheGradient) {
  const std::vector<double> values =
      Trace("adamw {} learning_rate: 0.25 weight_decay: 0.5 iterations: 2", {0, 0});
  EXPECT_DOUBLE_EQ(values[0], 0.875);
  EXPECT_DOUBLE_EQ(values[1], 0.765625);
}

// AdamW against the formulas in double, with random gradients.
TEST(SolverTest, AdamWEqualsItsFormulas) {
  const double rate = 0.01, decay = 0.1, b1 = 0.9, b2 = 0.999, eps = 1e-8;
  std::vector<float> gradients;
  const at::Tensor drawn = Random({50}, 1);
  for (int i = 0; i < 50; ++i) gradients.push_back(drawn[i].item<float>());
  const std::vector<double> values =
      Trace("adamw {} learning_rate: 0.01 weight_decay: 0.1 iterations: 50", gradients);
  double w = 1, m = 0, v = 0;
  for (int t = 1; t <= 50; ++t) {
    const double g = gradients[static_cast<size_t>(t - 1)];
    m = b1 * m + (1 - b1) * g;
    v = b2 * v + (1 - b2) * g * g;
    w -= rate * decay * w;
    w -= rate * (m / (1 - std::pow(b1, t))) / (std::sqrt(v / (1 - std::pow(b2, t))) + eps);
    EXPECT_NEAR(values[static_cast<size_t>(t - 1)], w, 1e-5) << t;
  }
}

TEST(SolverTest, GradientsOfSeveralBatchesAreAveraged) {
  EXPECT_EQ(Trace("sgd { momentum: 0 } learning_rate: 1 weight_decay: 0 iterations: 1 "
                  "batches_per_update: 4",
                  {2}),
            (std::vector<double>{0.5}));
}

TEST(SolverTest, LimitsTheNormOfAllGradientsTogether) {
  at::Tensor a = Leaf(at::zeros({1})), b = Leaf(at::zeros({1}));
  Solver solver = MakeSolver(
      "sgd { momentum: 0 } learning_rate: 1 weight_decay: 0 iterations: 1 max_gradient_norm: 1",
      {{"a.weight", a}, {"b.weight", b}});
  a.mutable_grad() = at::full({1}, 3.0f);
  b.mutable_grad() = at::full({1}, 4.0f);
  const absl::StatusOr<UpdateInfo> info = solver.Update(0);
  ASSERT_THAT(info, IsOk());
  EXPECT_DOUBLE_EQ(info->gradient_norm, 5);
  EXPECT_FLOAT_EQ(a.item<float>(), -0.6f);
  EXPECT_FLOAT_EQ(b.item<float>(), -0.8f);
}

TEST(SolverTest, NothingToTrainIsAnError) {
  EXPECT_THAT(Solver::Create(Parse("sgd {} iterations: 1"), {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no parameters to train")));
}

TEST(SolverTest, ParametersThatNoRuleCanJudgeAreAnError) {
  EXPECT_THAT(Solver::Create(Parse("sgd {} iterations: 1"), {{"frozen", at::zeros({1})}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("parameter frozen")));
}

TEST(SolverTest, AGradientThatIsNotFiniteStopsAndChangesNothing) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    at::Tensor a = Leaf(at::full({3}, 1.0f)), b = Leaf(at::full({3}, 1.0f));
    Solver solver = MakeSolver("sgd {} iterations: 1", {{"a.weight", a}, {"b.weight", b}});
    a.mutable_grad() = at::full({3}, 1.0f);
    b.mutable_grad() = at::full({3}, 1.0f);
    b.mutable_grad()[1] = bad;
    const absl::Status status = solver.Update(0).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("b.weight")));
    EXPECT_TRUE(at::equal(a.detach(), at::full({3}, 1.0f)));
  }
}

TEST(SolverTest, ParameterWithoutGradientIsUnchanged) {
  at::Tensor a = Leaf(at::full({2}, 1.0f)), b = Leaf(at::full({2}, 1.0f));
  Solver solver = MakeSolver("sgd {} learning_rate: 0.1 iterations: 1", {{"a", a}, {"b", b}});
  a.mutable_grad() = at::full({2}, 1.0f);
  ASSERT_THAT(solver.Update(0), IsOk());
  EXPECT_FALSE(a.grad().defined());
  EXPECT_TRUE(at::equal(b.detach(), at::full({2}, 1.0f)));
}

class SolverStateTest : public testing::TestWithParam<const char*> {};

// Weights after `updates` with gradients that depend on the update's number.
void RunUpdates(Solver& solver, std::vector<at::Tensor>& weights, int64_t from, int64_t to) {
  for (int64_t i = from; i < to; ++i) {
    for (size_t p = 0; p < weights.size(); ++p) {
      weights[p].mutable_grad() = Random(weights[p].sizes(), 100 * i + static_cast<int64_t>(p));
    }
    ASSERT_THAT(solver.Update(i), IsOk());
  }
}

TEST_P(SolverStateTest, RestoredSolverContinuesBitForBit) {
  const std::string config =
      std::string(GetParam()) + " learning_rate: 0.1 iterations: 9 step { size: 4 }";
  const auto make = [] {
    return std::vector<at::Tensor>{Leaf(Random({4, 3, 3, 3}, 1)), Leaf(Random({100000}, 2))};
  };
  const auto named = [](const std::vector<at::Tensor>& w) {
    return std::vector<TrainedParameter>{{"a.weight", w[0]}, {"b.weight", w[1]}};
  };
  std::vector<at::Tensor> straight = make();
  Solver solver = MakeSolver(config, named(straight));
  RunUpdates(solver, straight, 0, 9);

  std::vector<at::Tensor> first = make();
  Solver before = MakeSolver(config, named(first));
  RunUpdates(before, first, 0, 5);
  std::vector<at::Tensor> second = {Leaf(first[0].detach()), Leaf(first[1].detach())};
  Solver after = MakeSolver(config, named(second));
  ASSERT_THAT(after.Restore(before.State()), IsOk());
  RunUpdates(after, second, 5, 9);
  for (size_t p = 0; p < straight.size(); ++p) EXPECT_TRUE(at::equal(straight[p], second[p]));
}

TEST_P(SolverStateTest, RestoreNamesTheMismatch) {
  const std::string config = std::string(GetParam()) + " iterations: 1";
  Solver solver = MakeSolver(config, {{"a.weight", Leaf(at::zeros({2}))}});
  Solver other = MakeSolver(config, {{"b.weight", Leaf(at::zeros({2}))}});
  EXPECT_THAT(solver.Restore(other.State()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("b.weight")));
  Solver larger = MakeSolver(config, {{"a.weight", Leaf(at::zeros({3}))}});
  EXPECT_THAT(solver.Restore(larger.State()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("another shape")));
  EXPECT_THAT(solver.Restore({}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has no")));
}

INSTANTIATE_TEST_SUITE_P(Optimizers, SolverStateTest,
                         testing::Values("sgd {}", "sgd { momentum_form: LR_INSIDE }", "adamw {}"));

class SolverLevelTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, SolverLevelTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

// Vector loops and their remainders give the same bits as one element at a time.
TEST_P(SolverLevelTest, EveryElementIsUpdatedIndependently) {
  constexpr int64_t kWeights = 67;
  for (const std::string optimizer : {"sgd {}", "sgd { momentum_form: LR_INSIDE }", "adamw {}"}) {
    SCOPED_TRACE(optimizer);
    const std::string config = optimizer + " learning_rate: 0.01 weight_decay: 0.1 iterations: 3";
    std::vector<at::Tensor> together = {Leaf(Random({kWeights}, 6))}, alone;
    std::vector<TrainedParameter> single;
    for (int64_t i = 0; i < kWeights; ++i) {
      alone.push_back(Leaf(together[0].detach().slice(0, i, i + 1)));
      single.push_back({absl::StrCat("w", i), alone.back()});
    }
    Solver all = MakeSolver(config, {{"w", together[0]}});
    Solver each = MakeSolver(config, single);
    for (int64_t step = 0; step < 3; ++step) {
      const at::Tensor gradient = Random({kWeights}, 10 + step);
      together[0].mutable_grad() = gradient.clone();
      for (int64_t i = 0; i < kWeights; ++i) {
        alone[static_cast<size_t>(i)].mutable_grad() = gradient.slice(0, i, i + 1).clone();
      }
      ASSERT_THAT(all.Update(step), IsOk());
      ASSERT_THAT(each.Update(step), IsOk());
      for (int64_t i = 0; i < kWeights; ++i) {
        EXPECT_EQ(together[0][i].item<float>(), alone[static_cast<size_t>(i)].item<float>()) << i;
      }
    }
  }
}

TEST(SolverTest, ThreadsChangeNothing) {
  std::vector<at::Tensor> results;
  for (const int threads : {1, 2, 3}) {
    at::set_num_threads(threads);
    std::vector<at::Tensor> weights = {Leaf(Random({300000}, 3))};
    Solver solver = MakeSolver("sgd {} learning_rate: 0.1 iterations: 3 max_gradient_norm: 1",
                               {{"w", weights[0]}});
    RunUpdates(solver, weights, 0, 3);
    results.push_back(weights[0].detach().clone());
  }
  EXPECT_TRUE(at::equal(results[0], results[1]));
  EXPECT_TRUE(at::equal(results[0], results[2]));
}

TEST(SolverTest, SupportsOtherMemoryLayoutsOfGradients) {
  const auto last = at::MemoryFormat::ChannelsLast;
  const at::Tensor start = Random({4, 3, 3, 3}, 4), gradient = Random({4, 3, 3, 3}, 5);
  at::Tensor a = Leaf(start), b = start.contiguous(last).clone().requires_grad_();
  Solver solver = MakeSolver("sgd {} learning_rate: 0.1 iterations: 1", {{"a", a}, {"b", b}});
  a.mutable_grad() = gradient.contiguous(last);
  b.mutable_grad() = gradient.clone();
  ASSERT_THAT(solver.Update(0), IsOk());
  EXPECT_TRUE(at::equal(a, b));
}

// The same updates with loops, and with kernels or operators.
class SolverOnDeviceTest : public testing::TestWithParam<std::tuple<const char*, bool>> {
 protected:
  SolverOnDeviceTest() {
    config_ = std::string(std::get<0>(GetParam())) +
              " learning_rate: 0.1 iterations: 9 weight_decay: 0.01 step { size: 4 }"
              " batches_per_update: 2 max_gradient_norm: 3 rules { kind: BIAS"
              " learning_rate_multiplier: 2 weight_decay_multiplier: 0 }";
  }

  static std::vector<at::Tensor> Weights() {
    return {Leaf(Random({4, 3, 3, 3}, 1)), Leaf(Random({4}, 2))};
  }

  static bool HasKernels() { return std::get<1>(GetParam()); }

  Solver Make(const std::vector<at::Tensor>& weights, bool as_on_device) const {
    SolverOptions options;
    options.uses_kernels = as_on_device && HasKernels();
    options.uses_operators = as_on_device && !HasKernels();
    absl::StatusOr<Solver> solver =
        Solver::Create(Parse(config_), {{"a.weight", weights[0]}, {"a.bias", weights[1]}}, options);
    EXPECT_THAT(solver, IsOk());
    return *std::move(solver);
  }

  // Kernels give the same bits.
  static void ExpectClose(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
    for (size_t p = 0; p < a.size(); ++p) {
      EXPECT_TRUE(HasKernels() ? at::equal(a[p], b[p]) : at::allclose(a[p], b[p], 1e-5, 1e-6)) << p;
    }
  }

  std::string config_;
};

TEST_P(SolverOnDeviceTest, MakesTheSameUpdates) {
  std::vector<at::Tensor> loops = Weights(), device = Weights();
  Solver one = Make(loops, false), other = Make(device, true);
  RunUpdates(one, loops, 0, 8);
  RunUpdates(other, device, 0, 8);
  ExpectClose(loops, device);
  for (size_t p = 0; p < 2; ++p) {
    loops[p].mutable_grad() = Random(loops[p].sizes(), 7);
    device[p].mutable_grad() = Random(loops[p].sizes(), 7);
  }
  const double norm = one.Update(8).value().gradient_norm;
  const UpdateInfo info = other.Update(8).value();
  EXPECT_NEAR(info.unread_norm.item<double>(), norm, HasKernels() ? 0 : 1e-6 * norm);
  EXPECT_TRUE(info.finite.item<bool>());
}

TEST_P(SolverOnDeviceTest, ContinuesAStateOfLoopsAndTheReverse) {
  for (const bool device_first : {false, true}) {
    std::vector<at::Tensor> straight = Weights(), first = Weights();
    Solver solver = Make(straight, false);
    RunUpdates(solver, straight, 0, 9);
    Solver before = Make(first, device_first);
    RunUpdates(before, first, 0, 5);
    std::vector<at::Tensor> second = {Leaf(first[0].detach()), Leaf(first[1].detach())};
    Solver after = Make(second, !device_first);
    ASSERT_THAT(after.Restore(before.State()), IsOk());
    RunUpdates(after, second, 5, 9);
    ExpectClose(straight, second);
  }
}

TEST_P(SolverOnDeviceTest, ChangesNothingUnlessAllowedAndFinite) {
  std::vector<at::Tensor> weights = Weights();
  const std::vector<at::Tensor> start = Weights();
  Solver solver = Make(weights, true);
  weights[0].mutable_grad() = at::full({4, 3, 3, 3}, std::numeric_limits<float>::quiet_NaN());
  const UpdateInfo bad = solver.Update(0).value();
  EXPECT_FALSE(bad.finite.item<bool>());
  EXPECT_EQ(bad.unread_norm.item<double>(), 0);
  weights[1].mutable_grad() = at::full({4}, 1.0f);
  EXPECT_TRUE(solver.Update(1, at::full({}, false, at::kBool)).value().finite.item<bool>());
  for (size_t p = 0; p < 2; ++p) EXPECT_TRUE(at::equal(weights[p], start[p]));
  EXPECT_FALSE(weights[1].grad().defined());
}

TEST_P(SolverOnDeviceTest, ChangesOnlyWeightsWithAGradient) {
  std::vector<at::Tensor> weights = Weights();
  Solver solver = Make(weights, true);
  EXPECT_EQ(solver.Update(0).value().unread_norm.item<double>(), 0);
  weights[1].mutable_grad() = at::full({4}, 1.0f);
  EXPECT_EQ(solver.Update(1).value().unread_norm.item<double>(), 1);  // sqrt(4), of two batches
  EXPECT_TRUE(at::equal(weights[0], Weights()[0]));
  EXPECT_FALSE(at::equal(weights[1], Weights()[1]));
}

INSTANTIATE_TEST_SUITE_P(
    Optimizers, SolverOnDeviceTest,
    testing::Combine(testing::Values("sgd {}", "sgd { momentum_form: LR_INSIDE }", "adamw {}"),
                     testing::Bool()));

// Several chunks, whose last groups of eight are not whole, and another layout.
TEST(SolverTest, KernelsEqualLoopsBitForBitWithLargeWeights) {
  const auto last = at::MemoryFormat::ChannelsLast;
  for (const std::string optimizer : {"sgd {}", "adamw {}"}) {
    const std::string config = optimizer +
                               " learning_rate: 0.1 iterations: 3 weight_decay: 0.01"
                               " max_gradient_norm: 1";
    std::vector<at::Tensor> results[2];
    double norms[2] = {};
    for (const bool kernels : {false, true}) {
      std::vector<at::Tensor>& weights = results[kernels];
      weights = {Leaf(Random({70001}, 1)), Leaf(Random({40, 50, 5, 5}, 2).contiguous(last)),
                 Leaf(Random({64, 40, 1, 1}, 3))};
      SolverOptions options;
      options.uses_kernels = kernels;
      Solver solver =
          Solver::Create(Parse(config), {{"a", weights[0]}, {"b", weights[1]}, {"c", weights[2]}},
                         options)
              .value();
      RunUpdates(solver, weights, 0, 2);
      for (const at::Tensor& weight : weights) {
        const at::Tensor gradient = Random(weight.sizes(), 4);
        weight.mutable_grad() = weight.dim() == 4 ? gradient.contiguous(last) : gradient;
      }
      const UpdateInfo info = solver.Update(2).value();
      norms[kernels] = kernels ? info.unread_norm.item<double>() : info.gradient_norm;
    }
    EXPECT_EQ(norms[0], norms[1]) << optimizer;
    for (size_t p = 0; p < 3; ++p) EXPECT_TRUE(at::equal(results[0][p], results[1][p])) << p;
  }
}

constexpr char kScaledConfig[] =
    "sgd { momentum: 0 } learning_rate: 0.5 weight_decay: 0 iterations: 99";

absl::StatusOr<Solver> ScaledSolver(const at::Tensor& w) {
  return Solver::Create(Parse(kScaledConfig), {{"w", w}}, {/*scales_loss=*/true});
}

TEST(SolverTest, DividesGradientsByTheLossScale) {
  const at::Tensor w = Leaf(at::full({2}, 1.0f));
  Solver solver = ScaledSolver(w).value();
  solver.ScaleLoss(w.sum()).backward();
  EXPECT_TRUE(at::equal(w.grad(), at::full({2}, 65536.0f)));
  const UpdateInfo info = solver.Update(0).value();
  EXPECT_TRUE(at::equal(w.detach(), at::full({2}, 0.5f)));
  EXPECT_NEAR(info.unread_norm.item<double>(), std::sqrt(2), 1e-6);
}

TEST(SolverTest, AnOverflowSkipsTheUpdateAndHalvesTheLossScale) {
  const at::Tensor w = Leaf(at::full({2}, 1.0f));
  Solver solver = ScaledSolver(w).value();
  // 16 halvings from 65536 to 1.
  for (int64_t i = 0; i <= 16; ++i) {
    w.mutable_grad() = at::full({2}, std::numeric_limits<float>::infinity());
    const UpdateInfo info = solver.Update(i).value();
    EXPECT_EQ(info.finite.item<bool>(), i < 16) << i;
    EXPECT_EQ(info.loss_scale.item<float>(), std::ldexp(1.0, 16 - static_cast<int>(i))) << i;
  }
  EXPECT_TRUE(at::equal(w.detach(), at::full({2}, 1.0f)));
  EXPECT_EQ(solver.State().Find("loss_scale.value")->item<float>(), 1);
}

TEST(SolverTest, TheLossScaleIsPartOfTheState) {
  const at::Tensor w = Leaf(at::full({2}, 1.0f)), v = Leaf(at::full({2}, 1.0f));
  Solver before = ScaledSolver(w).value(), after = ScaledSolver(v).value();
  w.mutable_grad() = at::full({2}, std::numeric_limits<float>::infinity());
  ASSERT_THAT(before.Update(0), IsOk());
  ASSERT_THAT(after.Restore(before.State()), IsOk());
  EXPECT_EQ(after.ScaleLoss(at::full({}, 1.0f)).item<float>(), 32768);
}

TEST(SolverTest, RejectsParametersOnSeveralDevices) {
  const at::Tensor meta = at::zeros({2}, at::kMeta).requires_grad_();
  const auto solver =
      Solver::Create(Parse("sgd {} iterations: 1"), {{"a", Leaf(at::zeros({2}))}, {"b", meta}});
  EXPECT_THAT(solver, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("parameter b is on meta, others are on cpu")));
}

}  // namespace
}  // namespace rcnn::training
