// A model of the parts that this folder registers: it trains, detects, and names what is wrong.

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/layers.h"

namespace rcnn::examples {
namespace {

using ::testing::HasSubstr;

constexpr char kModel[] = R"(
  backbone { registered { name: "strided_net" option { key: "channels" value: 16 } } }
  rpn { anchors { size_px: [24, 48] } loss { box_loss: "balanced_l1" } }
  head { fc { fc_channels: [32] } loss { box_loss: "balanced_l1" } }
  branch { name: "box_quality" })";

absl::StatusOr<std::shared_ptr<detection::FasterRcnn>> Make(const std::string& text) {
  const auto config = configs::ParseTextOrDie<configs::ModelConfig>(text);
  return detection::FasterRcnn::Create(config, /*num_classes=*/2);
}

at::Generator Seeded() { return at::detail::createCPUGenerator(3); }

detection::TrainingTargets Targets() {
  const at::Tensor boxes = at::tensor({10.f, 12.f, 40.f, 44.f, 50.f, 8.f, 90.f, 60.f});
  return {{{64, 96, 1}}, {{boxes.view({2, 4}), at::tensor({1, 2}, at::kLong), {}}}};
}

TEST(ExtendingTest, EveryLossIsNamedAndEveryParameterLearns) {
  const auto model = Make(kModel).value();
  detection::ResetParameters(*model, Seeded());
  const detection::Losses losses =
      model->ComputeLosses(at::rand({1, 3, 64, 96}, Seeded()), Targets(), Seeded());
  EXPECT_GT(losses.Part("box_quality").item<double>(), 0);
  EXPECT_GT(losses.Part("head_box").item<double>(), 0);
  losses.Total().backward();
  for (const auto& item : model->named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_TRUE(item.value().grad().isfinite().all().item<bool>()) << item.key();
  }
  EXPECT_GT(model->named_parameters()["box_quality.logit.weight"].grad().abs().max().item<double>(),
            0);
}

TEST(ExtendingTest, DetectionsHaveWhatTheBranchAdds) {
  const auto model = Make(kModel).value();
  detection::ResetParameters(*model, Seeded());
  model->eval();
  const auto found =
      model->Detect(at::rand({1, 3, 64, 96}, Seeded()), {{64, 96, 1}}, {{128, 192}}).front();
  ASSERT_EQ(found.extra.count("box_quality"), 1u);
  EXPECT_EQ(found.extra.at("box_quality").size(0), found.boxes.size(0));
}

TEST(ExtendingTest, TheBranchGivesAnImageOfABatchWhatItHasAlone) {
  // Few proposals, so that no two scores are so close that rounding exchanges them.
  std::string text = kModel;
  text.insert(text.find("rpn {") + 5, " test_proposals { after_nms: 10 }");
  const auto model = Make(text).value();
  detection::ResetParameters(*model, Seeded());
  model->eval();
  const at::Tensor images = at::rand({2, 3, 64, 96}, Seeded());
  const auto found = model->Detect(detection::CutImages(images, {{64, 96}, {64, 48}}),
                                   {{64, 96, 1}, {64, 48, 1}}, {{64, 96}, {64, 48}});
  const at::Tensor second = images.narrow(0, 1, 1).narrow(3, 0, 48);
  const auto alone = model->Detect(second, {{64, 48, 1}}, {{64, 48}});
  ASSERT_EQ(found.size(), 2u);
  const at::Tensor quality = found[1].extra.at("box_quality");
  EXPECT_GT(quality.size(0), 0);
  ASSERT_EQ(quality.sizes(), alone[0].extra.at("box_quality").sizes());
  EXPECT_TRUE(quality.allclose(alone[0].extra.at("box_quality"), 1e-4, 1e-5));
}

TEST(ExtendingTest, AnUnknownNameListsTheKnownOnes) {
  EXPECT_THAT(Make("backbone { registered { name: 'other' } }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("registered: strided_net")));
  EXPECT_THAT(Make("backbone { tiny {} } head { loss { box_loss: 'giou' } }"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("registered: balanced_l1, smooth_l1")));
  EXPECT_THAT(Make("backbone { tiny {} } head {} branch { name: 'mask' }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("registered: box_quality")));
  EXPECT_THAT(Make("backbone { tiny {} } branch { name: 'box_quality' }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("needs a head")));
}

}  // namespace
}  // namespace rcnn::examples
