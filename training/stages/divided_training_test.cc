#include "rcnn/training/stages/divided_training.h"

#include <google/protobuf/text_format.h>

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/detection/module_parts.h"

namespace rcnn::training {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::shared_ptr<detection::FasterRcnn> Model(const std::string& text) {
  configs::ModelConfig config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &config)) << text;
  auto model = detection::FasterRcnn::Create(config, 2).value();
  model->train();
  return model;
}

TEST(DividedTrainingTest, NamesTheFieldOfATrainedBatchNorm) {
  const auto backbone =
      Model("backbone { resnet { depth: RESNET_18 norm { batch_norm {} } } } rpn {}");
  EXPECT_THAT(CheckDividedTraining(*backbone, true),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("model.backbone.resnet.norm: batch_norm"),
                             HasSubstr("backbone."), HasSubstr("frozen_batch_norm"))));
  const auto head =
      Model("backbone { tiny {} } head { fc { conv_channels: 8 conv_norm { batch_norm {} } } }");
  EXPECT_THAT(CheckDividedTraining(*head, true),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("model.head.fc.conv_norm: batch_norm")));
  const auto pyramid = Model(
      "backbone { resnet { depth: RESNET_18 } } fpn { channels: 8 norm { batch_norm {} } } rpn {}");
  EXPECT_THAT(
      CheckDividedTraining(*pyramid, true),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("model.fpn.norm: batch_norm")));
}

TEST(DividedTrainingTest, WholeBatchesAndNormsThatAreNotTrainedAreFine) {
  EXPECT_THAT(CheckDividedTraining(*Model("backbone { resnet { depth: RESNET_18 } } rpn {}"), true),
              IsOk());
  EXPECT_THAT(CheckDividedTraining(*Model("backbone { tiny {} } rpn {}"), true), IsOk());
  const auto trained =
      Model("backbone { resnet { depth: RESNET_18 norm { batch_norm {} } } } rpn {}");
  EXPECT_THAT(CheckDividedTraining(*trained, /*has_parts=*/false), IsOk());
  const auto frozen =
      Model("backbone { resnet { depth: RESNET_18 norm { batch_norm {} } } } rpn {}");
  detection::Freeze(*frozen->backbone());
  EXPECT_THAT(CheckDividedTraining(*frozen, true), IsOk());
}

}  // namespace
}  // namespace rcnn::training
