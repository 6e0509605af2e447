#include "rcnn/training/plan/plan_recipe.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/config/check_experiment.h"

namespace rcnn::training {
namespace {

using ::testing::ElementsAre;

PlanChoices Choices(Recipe recipe, bool pretrained) {
  PlanChoices choices;
  choices.recipe = recipe;
  choices.input.scale = {240, 480};
  choices.input.sizes_px = {16, 22.6, 32};
  choices.input.aspect_ratios = {0.5, 1, 2};
  choices.backbone = RandomResNet(configs::ResNetConfig::RESNET_18);
  choices.backbone.pretrained = pretrained;
  if (pretrained) choices.pretrained_file = "/weights/resnet18.pth";
  choices.iterations = 1000;
  choices.validations = 10;
  return choices;
}

configs::ExperimentConfig Make(const PlanChoices& choices) {
  configs::ExperimentConfig config = MakeRecipe("cells", choices);
  config.mutable_data()->mutable_train()->mutable_shapes();
  config.mutable_data()->mutable_validation()->mutable_shapes();
  config.mutable_data()->mutable_test()->mutable_shapes();
  return config;
}

TEST(MakeRecipeTest, IsAValidExperiment) {
  for (const Recipe recipe : {Recipe::kJoint, Recipe::kAlternating}) {
    for (const bool pretrained : {false, true}) {
      const configs::ExperimentConfig config = Make(Choices(recipe, pretrained));
      EXPECT_THAT(CheckExperiment(config), IsOk()) << config.DebugString();
      EXPECT_EQ(config.name(), "cells");
      EXPECT_EQ(config.stages(0).init_size(), pretrained ? 1 : 0);
      EXPECT_EQ(config.pretrained().has_file(), pretrained);
    }
  }
}

TEST(MakeRecipeTest, JointTrainingKeepsTheBestAndStopsEarly) {
  const configs::ExperimentConfig config = Make(Choices(Recipe::kJoint, false));
  ASSERT_EQ(config.stages_size(), 2);
  const configs::TrainingConfig& training = config.stages(0).train_joint().training();
  EXPECT_EQ(training.solver().iterations(), 1000);
  EXPECT_EQ(training.validation().every(), 100);
  EXPECT_TRUE(training.validation().keep_best());
  EXPECT_EQ(training.validation().metric(), configs::ValidationConfig::AP);
  EXPECT_GT(training.validation().patience(), 0);
  EXPECT_GT(training.average_decay(), 0.9);
}

// A rule for norms would match nothing where they are constant, which is an error.
TEST(MakeRecipeTest, RulesAreOfParametersThatAreTrained) {
  const auto rules = [](const configs::StageConfig& stage) {
    const auto& joint = stage.train_joint().training().solver();
    const auto& rpn = stage.train_rpn().training().solver();
    const auto& fast = stage.train_fast_rcnn().training().solver();
    return joint.rules_size() + rpn.rules_size() + fast.rules_size();
  };
  EXPECT_EQ(rules(Make(Choices(Recipe::kJoint, false)).stages(0)), 1);
  EXPECT_EQ(rules(Make(Choices(Recipe::kJoint, true)).stages(0)), 0);
  const configs::ExperimentConfig steps = Make(Choices(Recipe::kAlternating, false));
  EXPECT_EQ(rules(steps.stages(3)), 1);
  EXPECT_EQ(rules(steps.stages(4)), 0);
  EXPECT_EQ(rules(steps.stages(7)), 0);
}

// An uneven interval must not add a validation.
TEST(MakeRecipeTest, ValidatesAsOftenAsPlanned) {
  for (const int64_t iterations : {20, 99, 101, 1009}) {
    PlanChoices choices = Choices(Recipe::kJoint, false);
    choices.iterations = iterations;
    const configs::ExperimentConfig config = Make(choices);
    const int64_t every = config.stages(0).train_joint().training().validation().every();
    EXPECT_LE((iterations + every - 1) / every, 10) << iterations;
  }
}

TEST(MakeRecipeTest, AlternatingTrainingHasTheFourSteps) {
  PlanChoices choices = Choices(Recipe::kAlternating, false);
  choices.validations = 0;
  const configs::ExperimentConfig config = Make(choices);
  std::vector<std::string> names;
  for (const configs::StageConfig& stage : config.stages()) names.push_back(stage.name());
  EXPECT_THAT(names,
              ElementsAre("rpn1", "proposals1", "fast1", "rpn2", "proposals2", "fast2", "final"));
  EXPECT_EQ(config.stages(0).train_rpn().training().solver().iterations(), 350);
  EXPECT_EQ(config.stages(2).train_fast_rcnn().training().solver().iterations(), 1000);
  EXPECT_FALSE(config.stages(2).train_fast_rcnn().training().has_validation());
  EXPECT_THAT(config.stages(5).freeze(), ElementsAre("backbone"));
}

// Detectors by AP, on proposals of the step before; RPNs, which have none, by recall.
TEST(MakeRecipeTest, EachStepKeepsTheBestAndStopsEarly) {
  const configs::ExperimentConfig config = Make(Choices(Recipe::kAlternating, false));
  std::vector<std::string> names;
  for (const configs::StageConfig& stage : config.stages()) names.push_back(stage.name());
  EXPECT_THAT(names, ElementsAre("rpn1", "proposals1", "validation_proposals1", "fast1", "rpn2",
                                 "proposals2", "validation_proposals2", "fast2", "final"));
  for (const int stage : {2, 6}) {
    EXPECT_EQ(config.stages(stage).generate_proposals().dataset(), configs::VALIDATION);
  }
  for (const int stage : {0, 3, 4, 7}) {
    const configs::StageConfig& step = config.stages(stage);
    const configs::ValidationConfig& validation =
        step.has_train_rpn() ? step.train_rpn().training().validation()
                             : step.train_fast_rcnn().training().validation();
    EXPECT_TRUE(validation.keep_best()) << step.name();
    EXPECT_GT(validation.patience(), 0) << step.name();
    EXPECT_EQ(validation.metric(), step.has_train_rpn() ? configs::ValidationConfig::AR_100
                                                        : configs::ValidationConfig::AP)
        << step.name();
  }
  EXPECT_EQ(config.stages(3).train_fast_rcnn().training().validation().proposals(),
            "validation_proposals1");
  EXPECT_EQ(config.stages(3).train_fast_rcnn().training().validation().every(), 100);
}

TEST(MakeRecipeTest, HasTheInputAndTheAnchorsOfThePlan) {
  const configs::ExperimentConfig config = Make(Choices(Recipe::kJoint, false));
  const configs::ResizeConfig& resize = config.data().transform().resize();
  EXPECT_EQ(resize.shortest_side_px(resize.shortest_side_px_size() - 1), 240);
  EXPECT_EQ(resize.longest_side_px(), 480);
  EXPECT_TRUE(resize.one_scale_per_batch());
  EXPECT_THAT(config.model().rpn().anchors().size_px(), ElementsAre(16, 22.6, 32));
  EXPECT_THAT(config.model().rpn().anchors().aspect_ratio(), ElementsAre(0.5, 1, 2));
}

// Twice the batch, sqrt(2) times the rate.
TEST(MakeRecipeTest, TheRateGrowsWithTheBatch) {
  PlanChoices choices = Choices(Recipe::kJoint, false);
  const double rate = Make(choices).stages(0).train_joint().training().solver().learning_rate();
  choices.images_per_batch = 4;
  EXPECT_NEAR(Make(choices).stages(0).train_joint().training().solver().learning_rate() / rate,
              1.41421356, 1e-6);
}

}  // namespace
}  // namespace rcnn::training
