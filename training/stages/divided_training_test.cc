#include "rcnn/training/stages/divided_training.h"

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/module_parts.h"

namespace rcnn::training {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::shared_ptr<detection::FasterRcnn> Model(const std::string& text) {
  const auto config = configs::ParseTextOrDie<configs::ModelConfig>(text);
  auto model = detection::FasterRcnn::Create(config, 2).value();
  model->train();
  return model;
}

constexpr char kTrained[] =
    "backbone { resnet { depth: RESNET_18 norm { batch_norm {} } } } rpn {}";

absl::Status Check(const detection::FasterRcnn& model, int ranks,
                   const std::string& training = "batching { images_per_batch: 2 }") {
  const auto config = configs::ParseTextOrDie<configs::TrainingConfig>(training);
  return CheckDividedTraining(model, config, ranks);
}

TEST(DividedTrainingTest, NamesTheFieldOfABatchNormThatLacksImages) {
  EXPECT_THAT(Check(*Model(kTrained), 4),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("model.backbone.resnet.norm: batch_norm"),
                             HasSubstr("backbone."), HasSubstr("frozen_batch_norm"))));
  const auto head =
      Model("backbone { tiny {} } head { fc { conv_channels: 8 conv_norm { batch_norm {} } } }");
  EXPECT_THAT(Check(*head, 4), StatusIs(absl::StatusCode::kInvalidArgument,
                                        HasSubstr("model.head.fc.conv_norm: batch_norm")));
  const auto pyramid = Model(
      "backbone { resnet { depth: RESNET_18 } } fpn { channels: 8 norm { batch_norm {} } } rpn {}");
  EXPECT_THAT(Check(*pyramid, 4), StatusIs(absl::StatusCode::kInvalidArgument,
                                           HasSubstr("model.fpn.norm: batch_norm")));
  EXPECT_THAT(Check(*Model(kTrained), 2, "batching { images_per_batch: 2 tail: KEEP_INCOMPLETE }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("KEEP_INCOMPLETE")));
}

TEST(DividedTrainingTest, OtherNetworksAreFine) {
  EXPECT_THAT(Check(*Model(kTrained), 2), IsOk());
  EXPECT_THAT(Check(*Model(kTrained), 4,
                    "solver { batches_per_update: 4 } batching { images_per_batch: 1 }"),
              IsOk());
  EXPECT_THAT(Check(*Model("backbone { resnet { depth: RESNET_18 } } rpn {}"), 4), IsOk());
  EXPECT_THAT(Check(*Model("backbone { tiny {} } rpn {}"), 4), IsOk());
  const auto frozen = Model(kTrained);
  detection::Freeze(*frozen->backbone());
  EXPECT_THAT(Check(*frozen, 4), IsOk());
}

}  // namespace
}  // namespace rcnn::training
