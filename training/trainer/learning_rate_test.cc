#include "rcnn/training/trainer/learning_rate.h"

#include <cmath>
#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"

namespace rcnn::training {
namespace {

using ::testing::HasSubstr;

configs::SolverConfig Parse(const std::string& text) {
  return configs::ParseTextOrDie<configs::SolverConfig>(text);
}

TEST(LearningRateTest, StaysWithoutASchedule) {
  const auto config = Parse("sgd {} learning_rate: 0.5 iterations: 10");
  for (int i = 0; i < 10; ++i) EXPECT_EQ(LearningRate(config, i), 0.5);
}

// The RPN stages of the paper: 60,000 iterations at 0.001 and 20,000 at 0.0001.
TEST(LearningRateTest, StepsOfThePaper) {
  const auto config =
      Parse("sgd {} learning_rate: 0.001 iterations: 80000 step { size: 60000 gamma: 0.1 }");
  EXPECT_DOUBLE_EQ(LearningRate(config, 0), 0.001);
  EXPECT_DOUBLE_EQ(LearningRate(config, 59999), 0.001);
  EXPECT_DOUBLE_EQ(LearningRate(config, 60000), 0.0001);
  EXPECT_DOUBLE_EQ(LearningRate(config, 79999), 0.0001);
}

TEST(LearningRateTest, DropsAtEachMilestone) {
  const auto config =
      Parse("sgd {} learning_rate: 8 iterations: 10 multi_step { milestones: [3, 5] gamma: 0.5 }");
  EXPECT_DOUBLE_EQ(LearningRate(config, 2), 8);
  EXPECT_DOUBLE_EQ(LearningRate(config, 3), 4);
  EXPECT_DOUBLE_EQ(LearningRate(config, 4), 4);
  EXPECT_DOUBLE_EQ(LearningRate(config, 5), 2);
}

TEST(LearningRateTest, CosineFallsFromOneToTheFinalFraction) {
  const auto config =
      Parse("adamw {} learning_rate: 2 iterations: 100 cosine { final_fraction: 0.1 }");
  EXPECT_DOUBLE_EQ(LearningRate(config, 0), 2);
  EXPECT_DOUBLE_EQ(LearningRate(config, 50), 2 * (0.1 + 0.9 / 2));
  EXPECT_NEAR(LearningRate(config, 99), 2 * 0.1, 1e-3);
  for (int i = 1; i < 100; ++i) EXPECT_LT(LearningRate(config, i), LearningRate(config, i - 1));
}

TEST(LearningRateTest, WarmUpRisesLinearly) {
  const auto config =
      Parse("sgd {} learning_rate: 1 iterations: 100 warm_up { iterations: 4 factor: 0.2 }");
  EXPECT_DOUBLE_EQ(LearningRate(config, 0), 0.2);
  EXPECT_DOUBLE_EQ(LearningRate(config, 1), 0.4);
  EXPECT_DOUBLE_EQ(LearningRate(config, 3), 0.8);
  EXPECT_DOUBLE_EQ(LearningRate(config, 4), 1);
}

TEST(LearningRateTest, AcceptsACompleteConfig) {
  EXPECT_THAT(CheckSolverConfig(Parse("sgd { momentum: 0.9 momentum_form: LR_INSIDE } "
                                      "learning_rate: 0.001 weight_decay: 0.0005 iterations: 9 "
                                      "rules { kind: BIAS learning_rate_multiplier: 2 }")),
              IsOk());
}

TEST(LearningRateTest, ErrorsNameFieldAndValue) {
  const struct {
    const char* text;
    const char* message;
  } kCases[] = {
      {"iterations: 1", "set sgd or adamw"},
      {"sgd {}", "iterations is 0"},
      {"sgd { momentum: 1 } iterations: 1", "sgd.momentum is 1"},
      {"sgd {} learning_rate: 0 iterations: 1", "learning_rate is 0"},
      {"sgd {} learning_rate: nan iterations: 1", "learning_rate is nan"},
      {"sgd {} weight_decay: -1 iterations: 1", "weight_decay is -1"},
      {"sgd {} iterations: 1 batches_per_update: 0", "batches_per_update is 0"},
      {"sgd {} iterations: 1 max_gradient_norm: -2", "max_gradient_norm is -2"},
      {"sgd {} iterations: 1 step { size: 0 }", "step.size is 0"},
      {"sgd {} iterations: 1 multi_step {}", "multi_step.milestones"},
      {"sgd {} iterations: 1 multi_step { milestones: [5, 3] }", "5, 3"},
      {"sgd {} iterations: 1 cosine { final_fraction: 2 }", "cosine.final_fraction is 2"},
      {"sgd {} iterations: 1 warm_up { iterations: 0 }", "warm_up.iterations is 0"},
      {"sgd {} iterations: 1 warm_up { factor: 1.5 }", "warm_up.factor is 1.5"},
      {"sgd {} iterations: 1 rules { learning_rate_multiplier: -1 }", "is -1"},
      {"adamw { beta2: 1 } iterations: 1", "adamw.beta2 is 1"},
      {"adamw { epsilon: 0 } iterations: 1", "adamw.epsilon is 0"},
  };
  for (const auto& c : kCases) {
    const absl::Status status = CheckSolverConfig(Parse(c.text));
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.message)))
        << c.text;
  }
}

}  // namespace
}  // namespace rcnn::training
