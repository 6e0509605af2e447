#include "rcnn/training/plan/plan_speed.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::training {
namespace {

double Total(const Schedule& schedule) {
  return schedule.training + schedule.validating + schedule.other;
}

TEST(FitScheduleTest, JointTrainingFillsTheTime) {
  const SecondsPerUnit speed = {{"joint", 0.3}, {"final", 0.05}};
  PlanChoices choices;
  const Schedule schedule = FitSchedule(choices, speed, {300, 40, 60}, 1200);
  EXPECT_NEAR(Total(schedule), 1200, 0.3);
  EXPECT_NEAR(schedule.training, 0.3 * static_cast<double>(schedule.iterations), 1e-9);
  // 5 % of the time are 1200 images, 30 times all of them.
  EXPECT_EQ(schedule.validations, kMostValidations);
  EXPECT_EQ(schedule.validation_images, 0);
  EXPECT_NEAR(schedule.validating, 20 * 40 * 0.05, 1e-9);
  // The evaluation of 60 images is in it.
  EXPECT_GT(schedule.other, 3);
}

TEST(FitScheduleTest, ALargeValidationPartIsMeasuredInPart) {
  const SecondsPerUnit speed = {{"joint", 0.3}, {"final", 0.1}};
  const Schedule schedule = FitSchedule({}, speed, {5000, 1000, 10}, 600);
  EXPECT_EQ(schedule.validations, kFewestValidations);
  // 5 % of 600 s are 300 images, five times 60.
  EXPECT_EQ(schedule.validation_images, 60);
  EXPECT_LE(schedule.validating, 0.05 * 600 + 1e-9);
}

TEST(FitScheduleTest, TheStepsOfAlternatingTrainingShareTheTime) {
  const SecondsPerUnit speed = {
      {"rpn1", 0.2},  {"proposals1", 0.1}, {"validation_proposals1", 0.04}, {"fast1", 0.3},
      {"rpn2", 0.02}, {"proposals2", 0.1}, {"validation_proposals2", 0.04}, {"fast2", 0.03},
      {"final", 0.05}};
  PlanChoices choices;
  choices.recipe = Recipe::kAlternating;
  const Schedule schedule = FitSchedule(choices, speed, {100, 10, 20}, 1000);
  EXPECT_NEAR(Total(schedule), 1000, 1);
  // 20 validations of each step on 10 images, and the proposals for steps 2 and 4 once.
  EXPECT_EQ(schedule.validations, kMostValidations);
  EXPECT_NEAR(schedule.validating, 20 * 10 * (0.04 + 0.05 + 0.04 + 0.05) + 10 * 2 * 0.04, 1e-9);
  EXPECT_EQ(schedule.validation_images, 0);
  double training = 0;
  int step = 0;
  for (const double seconds : {0.2, 0.3, 0.02, 0.03}) {
    training += seconds * static_cast<double>(IterationsOfStep(++step, schedule.iterations));
  }
  EXPECT_NEAR(schedule.training, training, 0.2);
}

// Stored proposals are those of all images, so there is no smaller measurement.
TEST(FitScheduleTest, StepsAreNotValidatedOnTooManyImages) {
  const SecondsPerUnit speed = {{"rpn1", 0.2},
                                {"validation_proposals1", 0.1},
                                {"fast1", 0.3},
                                {"validation_proposals2", 0.1},
                                {"final", 0.1}};
  PlanChoices choices;
  choices.recipe = Recipe::kAlternating;
  // 5 % of 1000 s are 2 rounds of 50 images with their proposals.
  const Schedule schedule = FitSchedule(choices, speed, {100, 50, 20}, 1000);
  EXPECT_EQ(schedule.validations, 0);
  EXPECT_EQ(schedule.validating, 0);
}

TEST(FitScheduleTest, AShortBudgetStillTrains) {
  const SecondsPerUnit speed = {{"joint", 3}, {"final", 1}};
  EXPECT_EQ(FitSchedule({}, speed, {5, 2, 2}, 1).iterations, kFewestIterations);
}

}  // namespace
}  // namespace rcnn::training
