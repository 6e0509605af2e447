#include "rcnn/detection/weights/known_name_maps.h"

#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::detection::weights {
namespace {

using ::testing::HasSubstr;

StateDict State(std::initializer_list<const char*> names) {
  StateDict state;
  for (const char* name : names) state.Add(name, at::zeros({1}));
  return state;
}

std::string Ours(absl::string_view map, absl::string_view theirs) {
  return OurName(**FindNameMap(map), theirs).value_or("(unknown)");
}

std::string Theirs(absl::string_view map, absl::string_view ours) {
  return TheirName(**FindNameMap(map), ours).value_or("(unknown)");
}

TEST(KnownNameMapsTest, NamesAreUniqueAndDescribed) {
  std::set<std::string> names;
  for (const NameMap& map : KnownNameMaps()) {
    EXPECT_TRUE(names.insert(map.name).second) << map.name;
    EXPECT_FALSE(map.description.empty()) << map.name;
  }
}

TEST(KnownNameMapsTest, SignaturesAreNamesOfTheMap) {
  for (const NameMap& map : KnownNameMaps()) {
    for (const std::string& name : map.signature) {
      EXPECT_TRUE(OurName(map, name).has_value()) << map.name << " " << name;
    }
  }
}

// Positions of torchvision's VGG16 convolutions in `features`, counted by hand
// from configuration D: conv, ReLU pairs with a pool after each block.
TEST(KnownNameMapsTest, TorchvisionVgg16) {
  const std::pair<int, const char*> convolutions[] = {
      {0, "conv1_1"},  {2, "conv1_2"},  {5, "conv2_1"},  {7, "conv2_2"},  {10, "conv3_1"},
      {12, "conv3_2"}, {14, "conv3_3"}, {17, "conv4_1"}, {19, "conv4_2"}, {21, "conv4_3"},
      {24, "conv5_1"}, {26, "conv5_2"}, {28, "conv5_3"}};
  for (const auto& [number, ours] : convolutions) {
    EXPECT_EQ(Ours("torchvision_vgg16", "features." + std::to_string(number) + ".weight"),
              std::string("backbone.") + ours + ".weight");
  }
  EXPECT_EQ(Ours("torchvision_vgg16", "features.1.weight"), "(unknown)");
  EXPECT_EQ(Ours("torchvision_vgg16", "classifier.0.bias"), "head.fc6.bias");
  EXPECT_EQ(Ours("torchvision_vgg16", "classifier.3.bias"), "head.fc7.bias");
  EXPECT_EQ(Ours("torchvision_vgg16", "classifier.6.bias"), "");
}

TEST(KnownNameMapsTest, TorchvisionResnet) {
  EXPECT_EQ(Ours("torchvision_resnet", "layer3.22.bn3.running_var"),
            "backbone.layer3.22.bn3.running_var");
  EXPECT_EQ(Ours("torchvision_resnet", "layer4.0.downsample.1.bias"),
            "backbone.layer4.0.downsample.1.bias");
  EXPECT_EQ(Ours("torchvision_resnet", "fc.weight"), "");
  EXPECT_EQ(Ours("torchvision_resnet_c4", "layer4.0.conv1.weight"), "head.layer4.0.conv1.weight");
  EXPECT_EQ(Ours("torchvision_resnet_c4", "layer3.0.conv1.weight"),
            "backbone.layer3.0.conv1.weight");
}

TEST(KnownNameMapsTest, TorchvisionFasterRcnnBothWays) {
  const std::pair<const char*, const char*> names[] = {
      {"backbone.body.layer1.0.conv1.weight", "backbone.layer1.0.conv1.weight"},
      {"backbone.fpn.inner_blocks.0.0.weight", "fpn.lateral2.weight"},
      {"backbone.fpn.layer_blocks.3.0.bias", "fpn.output5.bias"},
      {"rpn.head.conv.0.0.weight", "rpn.conv.weight"},
      {"rpn.head.cls_logits.bias", "rpn.cls_score.bias"},
      {"rpn.head.bbox_pred.bias", "rpn.bbox_pred.bias"},
      {"roi_heads.box_head.fc6.weight", "head.fc6.weight"},
      {"roi_heads.box_head.fc7.weight", "head.fc7.weight"},
      {"roi_heads.box_predictor.cls_score.weight", "head.cls_score.weight"},
      {"roi_heads.box_predictor.bbox_pred.weight", "head.bbox_pred.weight"}};
  for (const auto& [theirs, ours] : names) {
    EXPECT_EQ(Ours("torchvision_fasterrcnn_fpn", theirs), ours);
    EXPECT_EQ(Theirs("torchvision_fasterrcnn_fpn", ours), theirs);
  }
}

TEST(KnownNameMapsTest, TorchvisionFasterRcnnOnVgg16BothWays) {
  const std::pair<const char*, const char*> names[] = {
      {"backbone.0.weight", "backbone.conv1_1.weight"},
      {"backbone.7.bias", "backbone.conv2_2.bias"},
      {"backbone.28.weight", "backbone.conv5_3.weight"},
      {"rpn.head.conv.0.0.bias", "rpn.conv.bias"},
      {"rpn.head.cls_logits.weight", "rpn.cls_score.weight"},
      {"rpn.head.bbox_pred.weight", "rpn.bbox_pred.weight"},
      {"roi_heads.box_head.fc6.weight", "head.fc6.weight"},
      {"roi_heads.box_head.fc7.bias", "head.fc7.bias"},
      {"roi_heads.box_predictor.cls_score.bias", "head.cls_score.bias"},
      {"roi_heads.box_predictor.bbox_pred.weight", "head.bbox_pred.weight"}};
  for (const auto& [theirs, ours] : names) {
    EXPECT_EQ(Ours("torchvision_fasterrcnn_vgg16", theirs), ours);
    EXPECT_EQ(Theirs("torchvision_fasterrcnn_vgg16", ours), theirs);
  }
  EXPECT_EQ(Ours("torchvision_fasterrcnn_vgg16", "backbone.1.weight"), "(unknown)");
}

TEST(KnownNameMapsTest, TorchvisionFasterRcnnNamesBefore014) {
  EXPECT_EQ(Ours("torchvision_fasterrcnn_fpn", "backbone.fpn.inner_blocks.1.weight"),
            "fpn.lateral3.weight");
  EXPECT_EQ(Ours("torchvision_fasterrcnn_fpn", "backbone.fpn.layer_blocks.2.bias"),
            "fpn.output4.bias");
  EXPECT_EQ(Ours("torchvision_fasterrcnn_fpn", "rpn.head.conv.bias"), "rpn.conv.bias");
}

TEST(KnownNameMapsTest, TorchvisionFasterRcnnV2BothWays) {
  const std::pair<const char*, const char*> names[] = {
      {"backbone.fpn.inner_blocks.2.0.weight", "fpn.lateral4.weight"},
      {"backbone.fpn.inner_blocks.2.1.running_mean", "fpn.lateral4_norm.running_mean"},
      {"backbone.fpn.layer_blocks.0.1.weight", "fpn.output2_norm.weight"},
      {"rpn.head.conv.0.0.weight", "rpn.conv.weight"},
      {"rpn.head.conv.1.0.weight", "rpn.conv2.weight"},
      {"roi_heads.box_head.0.0.weight", "head.conv1.weight"},
      {"roi_heads.box_head.3.1.bias", "head.conv4_norm.bias"},
      {"roi_heads.box_head.5.weight", "head.fc6.weight"}};
  for (const auto& [theirs, ours] : names) {
    EXPECT_EQ(Ours("torchvision_fasterrcnn_fpn_v2", theirs), ours);
    EXPECT_EQ(Theirs("torchvision_fasterrcnn_fpn_v2", ours), theirs);
  }
}

TEST(KnownNameMapsTest, CaffeSpellingsOfTheRpn) {
  for (const char* conv : {"rpn_conv/3x3.weight", "rpn_conv1.weight", "conv_proposal1.weight"}) {
    EXPECT_EQ(Ours("caffe_vgg16", conv), "rpn.conv.weight");
    EXPECT_EQ(Ours("caffe_zf", conv), "rpn.conv.weight");
  }
  EXPECT_EQ(Ours("caffe_vgg16", "proposal_cls_score.bias"), "rpn.cls_score.bias");
  EXPECT_EQ(Ours("caffe_vgg16", "rpn_bbox_pred.weight"), "rpn.bbox_pred.weight");
  EXPECT_EQ(Ours("caffe_vgg16", "bbox_pred.weight"), "head.bbox_pred.weight");
  EXPECT_EQ(Ours("caffe_vgg16", "fc8.weight"), "");
  EXPECT_EQ(Ours("caffe_vgg16", "conv5_3.weight"), "backbone.conv5_3.weight");
  EXPECT_EQ(Ours("caffe_zf", "conv5.bias"), "backbone.conv5.bias");
  EXPECT_EQ(Theirs("caffe_zf", "backbone.conv5.bias"), "conv5.bias");
  EXPECT_EQ(Theirs("caffe_zf", "rpn.conv.bias"), "rpn_conv/3x3.bias");
}

TEST(KnownNameMapsTest, DetectsEveryKind) {
  const std::pair<StateDict, const char*> kinds[] = {
      {State({"backbone.conv1.weight", "head.fc6.weight"}), "rcnn"},
      {State({"backbone.body.conv1.weight", "roi_heads.box_head.5.weight"}),
       "torchvision_fasterrcnn_fpn_v2"},
      {State({"backbone.body.conv1.weight", "roi_heads.box_head.fc6.weight"}),
       "torchvision_fasterrcnn_fpn"},
      {State({"backbone.0.weight", "backbone.28.weight", "roi_heads.box_head.fc6.weight"}),
       "torchvision_fasterrcnn_vgg16"},
      {State({"features.0.weight", "features.28.weight"}), "torchvision_vgg16"},
      {State({"conv1.weight", "bn1.weight", "layer4.0.conv1.weight", "fc.weight"}),
       "torchvision_resnet"},
      {State({"conv1_1.weight", "conv5_3.weight"}), "caffe_vgg16"},
      {State({"conv1.weight", "conv5.weight"}), "caffe_zf"}};
  for (const auto& [state, name] : kinds) {
    const auto map = DetectNameMap(state);
    ASSERT_THAT(map, IsOk()) << name << ": " << map.status();
    EXPECT_EQ((*map)->name, name);
  }
}

TEST(KnownNameMapsTest, ErrorsListTheMaps) {
  for (const StateDict& state : {State({}), State({"encoder.0.weight"})}) {
    const auto map = DetectNameMap(state);
    EXPECT_THAT(map, StatusIs(absl::StatusCode::kNotFound, HasSubstr("torchvision_vgg16")));
  }
  const auto found = FindNameMap("torchvision_vgg19");
  EXPECT_THAT(found, StatusIs(absl::StatusCode::kNotFound, HasSubstr("'torchvision_vgg19'")));
}

}  // namespace
}  // namespace rcnn::detection::weights
