#include "rcnn/training/stages/stage_model.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/module_parts.h"
#include "rcnn/detection/weights/module_state.h"
#include "rcnn/training/testing/tiny_run.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;
using detection::weights::StateDict;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

configs::StageConfig Stage(const std::string& text) {
  return configs::ParseTextOrDie<configs::StageConfig>(text);
}

StateDict Saved(const FasterRcnn& model) {
  StateDict state;
  for (const auto& [name, tensor] : model.StateToSave()) state.Add(name, tensor.clone());
  return state;
}

// The initial weights of the stages of alternating training, from the results of
// earlier stages.
class StageModelTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::shared_ptr<FasterRcnn>> Make(const std::string& stage) {
    return MakeStageModel(
        experiment_, Stage(stage), 2,
        [this](const configs::InitConfig& init) -> absl::StatusOr<SourceWeights> {
          const auto found = left_.find(init.stage());
          if (found == left_.end()) return absl::NotFoundError("nothing of " + init.stage());
          return SourceWeights{absl::StrCat("stage ", init.stage()), found->second, "rcnn"};
        },
        nullptr);
  }

  // In this test the initial weights of a stage are also its result for later stages.
  StateDict Begin(const std::string& stage) {
    auto model = Make(stage);
    EXPECT_THAT(model, IsOk());
    StateDict state = Saved(**model);
    left_[Stage(stage).name()] = state;
    return state;
  }

  configs::ExperimentConfig experiment_ = TinyExperiment();
  std::map<std::string, StateDict> left_;
};

constexpr char kRpn1[] = "name: 'rpn1' train_rpn {}";
constexpr char kFast1[] = "name: 'fast1' train_fast_rcnn {}";
// Step 2 has no RPN, so step 3 has to draw one.
constexpr char kRpn2[] = "name: 'rpn2' train_rpn {} init { stage: 'fast1' } freeze: 'backbone'";

TEST_F(StageModelTest, HasThePartsThatTheStageTrains) {
  for (const auto& entry : Begin(kRpn1)) EXPECT_FALSE(absl::StartsWith(entry.name, "head."));
  for (const auto& entry : Begin(kFast1)) EXPECT_FALSE(absl::StartsWith(entry.name, "rpn."));
  const StateDict joint = Begin("name: 'joint' train_joint {}");
  EXPECT_NE(joint.Find("rpn.bbox_pred.weight"), nullptr);
  EXPECT_NE(joint.Find("head.bbox_pred.weight"), nullptr);
}

TEST_F(StageModelTest, SameSeedAndStageGiveSameRandomWeights) {
  const StateDict first = Begin(kRpn1);
  EXPECT_THAT(Differences(first, Begin(kRpn1)), IsEmpty());
  const StateDict renamed = Begin("name: 'other' train_rpn {}");
  EXPECT_FALSE(Differences(first, renamed).empty());
  experiment_.set_seed(6);
  EXPECT_FALSE(Differences(first, Begin(kRpn1)).empty());
}

// The distribution of random weights: N(0, 0.01), and 0.001 for the head's boxes.
TEST_F(StageModelTest, RandomWeightsHaveTheirDeviationAndBiasesAreZero) {
  const StateDict rpn = Begin(kRpn1), fast = Begin(kFast1);
  EXPECT_NEAR(rpn.Find("rpn.conv.weight")->std().item<double>(), 0.01, 0.001);
  EXPECT_NEAR(fast.Find("head.bbox_pred.weight")->std().item<double>(), 0.001, 0.0003);
  EXPECT_NEAR(fast.Find("head.cls_score.weight")->std().item<double>(), 0.01, 0.003);
  for (const StateDict* state : {&rpn, &fast}) {
    for (const auto& entry : *state) {
      if (absl::EndsWith(entry.name, ".bias")) {
        EXPECT_EQ(entry.tensor.abs().max().item<double>(), 0) << entry.name;
      }
    }
  }
}

TEST_F(StageModelTest, StepThreeHasStepTwosBackboneAndANewRpn) {
  const StateDict rpn1 = Begin(kRpn1), fast1 = Begin(kFast1), rpn2 = Begin(kRpn2);
  EXPECT_THAT(CheckSharedBackbone(fast1, rpn2), IsOk());
  EXPECT_THAT(CheckSharedBackbone(rpn1, rpn2), ::testing::Not(IsOk()));
  EXPECT_FALSE(at::equal(*rpn1.Find("rpn.conv.weight"), *rpn2.Find("rpn.conv.weight")));
  EXPECT_FALSE(at::equal(*rpn1.Find("rpn.bbox_pred.weight"), *rpn2.Find("rpn.bbox_pred.weight")));
}

TEST_F(StageModelTest, StepFourInPythonCarriesFc6AndFc7AndDrawsTheOutputs) {
  const StateDict fast1 = Begin(kFast1);
  const StateDict fast2 = Begin(
      "name: 'fast2' train_fast_rcnn {} freeze: 'backbone' "
      "init { stage: 'fast1' part: ['backbone', 'head.fc6', 'head.fc7'] }");
  EXPECT_THAT(Differences(fast1, fast2),
              ElementsAre("head.cls_score.weight", "head.bbox_pred.weight"));
}

TEST_F(StageModelTest, StepFourInMatlabInheritsTheWholeHead) {
  const StateDict fast1 = Begin(kFast1);
  const StateDict fast2 =
      Begin("name: 'fast2' train_fast_rcnn {} freeze: 'backbone' init { stage: 'fast1' }");
  EXPECT_THAT(Differences(fast1, fast2), IsEmpty());
}

TEST_F(StageModelTest, LaterSourceOverridesEarlierOnes) {
  const StateDict rpn1 = Begin(kRpn1), fast1 = Begin(kFast1);
  const StateDict joint =
      Begin("name: 'joint' train_joint {} init { stage: 'fast1' } init { stage: 'rpn1' }");
  EXPECT_THAT(CheckSharedBackbone(rpn1, joint), IsOk());
  EXPECT_TRUE(at::equal(*fast1.Find("head.fc6.weight"), *joint.Find("head.fc6.weight")));
}

TEST_F(StageModelTest, FreezesByNameAndTrainsTheRest) {
  Begin(kFast1);
  const auto model = Make(kRpn2).value();
  EXPECT_TRUE(model->is_training());
  std::vector<std::string> trained;
  for (const auto& [name, value] : detection::TrainableParameters(*model)) trained.push_back(name);
  EXPECT_THAT(trained, AllOf(Each(StartsWith("rpn.")), ::testing::SizeIs(6)));
}

// In training mode, with images unlike those of the statistics.
TEST_F(StageModelTest, FrozenBatchNormsKeepTheirStatistics) {
  experiment_.mutable_model()->mutable_backbone()->mutable_resnet()->set_depth(
      configs::ResNetConfig::RESNET_18);
  experiment_.mutable_model()
      ->mutable_backbone()
      ->mutable_resnet()
      ->mutable_norm()
      ->mutable_batch_norm();
  const auto run = [&](const std::string& freeze) {
    const auto model = Make(absl::StrCat("name: 'rpn1' train_rpn {} ", freeze)).value();
    const StateDict before = Saved(*model);
    model->Features(at::full({2, 3, 64, 64}, 3.0f));
    return Differences(before, Saved(*model));
  };
  EXPECT_THAT(run("freeze: 'backbone'"), IsEmpty());
  EXPECT_THAT(run(""), ::testing::Contains(HasSubstr("running_mean")));
  EXPECT_THAT(run("freeze: 'backbone.layer1'"),
              AllOf(Each(::testing::Not(HasSubstr("layer1."))), ::testing::Not(IsEmpty())));
}

TEST_F(StageModelTest, NamesTheStageAndTheMissingPart) {
  Begin(kRpn1);
  EXPECT_THAT(
      Make("name: 'a' train_rpn {} freeze: 'backbone.conv9'"),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("stage a"), HasSubstr("freeze"), HasSubstr("backbone.conv9"))));
  EXPECT_THAT(Make("name: 'a' train_rpn {} init { stage: 'rpn1' part: 'rpn.conv9' }"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("stage a"), HasSubstr("rpn.conv9"))));
  EXPECT_THAT(Make("name: 'a' train_fast_rcnn {} init { stage: 'rpn1' part: 'head.fc6' }"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("stage a"), HasSubstr("stage rpn1 has no tensor"))));
  EXPECT_THAT(Make("name: 'a' train_rpn {} init { stage: 'gone' }"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("gone")));
}

// The saved network, without normalisation, predicts the boxes of the network
// trained with it.
TEST_F(StageModelTest, SavedBoxWeightsPredictTheBoxesOfTheNormalisedOnes) {
  for (const char* kind : {"PER_CLASS", "FIXED"}) {
    SCOPED_TRACE(kind);
    auto& targets = *experiment_.mutable_model()->mutable_head()->mutable_targets();
    configs::ParseTextOrDie(
        absl::StrCat("box_normalization: ", kind,
                     " box_mean: [0.1, -0.1, 0.2, 0] box_std: [0.1, 0.2, 0.3, 0.4]"),
        &targets);
    const auto trained = Make(kFast1).value();
    if (absl::string_view(kind) == "PER_CLASS") {
      trained->head()->SetBoxNormalization(at::randn({3, 4}), at::rand({3, 4}) + 0.1);
    }
    trained->eval();
    const auto loaded =
        MakeTrainedModel(StageModelConfig(experiment_.model(), Stage(kFast1)), 2, Saved(*trained))
            .value();
    const at::Tensor images = at::randn({1, 3, 48, 64});
    const at::Tensor rois = at::tensor({0.f, 4.f, 4.f, 40.f, 30.f, 0.f, 20.f, 10.f, 60.f, 44.f});
    at::NoGradGuard no_grad;
    const auto expected =
        trained->head()->Forward(trained->Features(images).levels, rois.view({2, 5}));
    const auto found = loaded->head()->Forward(loaded->Features(images).levels, rois.view({2, 5}));
    EXPECT_GT(expected.deltas.abs().max().item<double>(), 0.05);
    EXPECT_LT((found.deltas - expected.deltas).abs().max().item<double>(), 1e-5);
    EXPECT_LT((found.logits - expected.logits).abs().max().item<double>(), 1e-5);
  }
}

TEST_F(StageModelTest, TrainedModelNeedsExactlyItsTensors) {
  const StateDict fast1 = Begin(kFast1);
  const configs::ModelConfig config = StageModelConfig(experiment_.model(), Stage(kFast1));
  ASSERT_THAT(MakeTrainedModel(config, 2, fast1), IsOk());
  EXPECT_THAT(MakeTrainedModel(config, 2, Begin(kRpn1)), ::testing::Not(IsOk()));
  StateDict less;
  for (const auto& entry : fast1) {
    if (entry.name != "head.fc6.bias") less.Add(entry.name, entry.tensor);
  }
  EXPECT_THAT(MakeTrainedModel(config, 2, less),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("head.fc6.bias")));
}

TEST_F(StageModelTest, ABackboneIsSharedToTheLastBit) {
  const StateDict a = Begin(kFast1);
  const auto changed = [&](const std::string& name, const std::function<void(at::Tensor)>& change) {
    StateDict b;
    for (const auto& entry : a) {
      b.Add(entry.name, entry.tensor.clone());
      if (entry.name == name) change(b.entries().back().tensor);
    }
    return CheckSharedBackbone(a, b);
  };
  EXPECT_THAT(changed("head.fc6.weight", [](at::Tensor w) { w.zero_(); }), IsOk());
  EXPECT_THAT(changed("", [](const at::Tensor&) {}), IsOk());
  const absl::Status one = changed("backbone.conv3.weight", [](at::Tensor w) {
    at::Tensor last = w.view(-1)[-1];
    last.copy_(last.nextafter(at::full({}, 1e30f)));
  });
  EXPECT_THAT(one, StatusIs(absl::StatusCode::kFailedPrecondition,
                            HasSubstr("backbone.conv3.weight differs")));
  // 0 and -0 are equal numbers.
  EXPECT_THAT(changed("backbone.norm1.bias", [](at::Tensor w) { w.neg_(); }),
              ::testing::Not(IsOk()));
}

TEST_F(StageModelTest, MissingBackboneIsNotShared) {
  const StateDict a = Begin(kFast1);
  StateDict less;
  for (const auto& entry : a) {
    if (entry.name != "backbone.conv1.weight") less.Add(entry.name, entry.tensor);
  }
  for (const absl::Status& status : {CheckSharedBackbone(a, less), CheckSharedBackbone(less, a)}) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                                 HasSubstr("backbone.conv1.weight is in only one of them")));
  }
}

}  // namespace
}  // namespace rcnn::training
