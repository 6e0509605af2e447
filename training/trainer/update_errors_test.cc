#include "rcnn/training/trainer/update_errors.h"

#include <ATen/ATen.h>

#include <limits>
#include <memory>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/faster_rcnn.h"

namespace rcnn::training {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::shared_ptr<detection::FasterRcnn> TinyModel() {
  const auto config = configs::ParseTextOrDie<configs::ModelConfig>(
      "backbone { tiny { channels: 8 } } rpn { anchors { size_px: 16 aspect_ratio: 1 } channels: "
      "16 }");
  return detection::FasterRcnn::Create(config, 2).value();
}

TEST(UpdateErrorsTest, NamesTheLastGoodCheckpoint) {
  UpdateErrors errors(TinyModel(), "run/rpn1");
  EXPECT_THAT(errors.Diverged("iteration 3", "the loss is not finite"),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("diverged at iteration 3: the loss is not finite."),
                             HasSubstr("There is no checkpoint yet"))));
  errors.set_last_checkpoint(2);
  EXPECT_THAT(errors.Diverged("iteration 3", "the loss is not finite"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("run/rpn1/checkpoint-2;")));
}

TEST(UpdateErrorsTest, ANetworkThatFailsHasDivergedIfAWeightIsNotFinite) {
  const auto model = TinyModel();
  const UpdateErrors errors(model, "run");
  const absl::Status error = absl::InternalError("no kernel");
  EXPECT_THAT(
      errors.Failed("iteration 3", error, {1, 3, 64, 96}),
      StatusIs(absl::StatusCode::kInternal, "the network failed at iteration 3: no kernel"));
  model->parameters().front().detach().fill_(std::numeric_limits<float>::quiet_NaN());
  EXPECT_THAT(errors.Failed("iteration 3", error, {1, 3, 64, 96}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("diverged at iteration 3: no kern")));
}

TEST(UpdateErrorsTest, MemoryThatRunsOutComesWithAdvice) {
  EXPECT_THAT(UpdateErrors(TinyModel(), "run")
                  .Failed("iteration 3", absl::ResourceExhaustedError("1 GiB"), {2, 3, 64, 96}),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("not enough memory on cpu for iteration 3, 2 images of 64 x "
                                       "96 pixels: 1 GiB"),
                             HasSubstr("images_per_batch"))));
}

}  // namespace
}  // namespace rcnn::training
