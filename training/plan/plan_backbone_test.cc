#include "rcnn/training/plan/plan_backbone.h"

#include <ATen/ops/zeros.h>

#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/stage_record.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/detection/weights/state_dict.h"
#include "rcnn/detection/weights/weights_file.h"

namespace rcnn::training {
namespace {

using detection::weights::StateDict;
using ::testing::HasSubstr;

// A file with the names of a ResNet whose layer3 has these blocks.
std::string WriteResNet(int blocks, bool bottleneck, const std::string& prefix = "") {
  StateDict state;
  const auto add = [&](const std::string& name) { state.Add(prefix + name, at::zeros({2, 2})); };
  add("conv1.weight");
  add("bn1.running_mean");
  add("layer1.0.conv1.weight");
  for (int block = 0; block < blocks; ++block) {
    const std::string name = "layer3." + std::to_string(block);
    add(name + ".conv1.weight");
    if (bottleneck) add(name + ".conv3.weight");
  }
  const std::string path = testing::TempDir() + "/resnet.pth";
  EXPECT_THAT(detection::weights::SaveStateDict(state, path), IsOk());
  return path;
}

TEST(BackboneOfWeightsTest, FindsTheDepth) {
  const struct {
    int blocks;
    bool bottleneck;
    int depth;
  } cases[] = {{2, false, 18}, {6, false, 34}, {6, true, 50}, {23, true, 101}};
  for (const auto& c : cases) {
    const auto backbone = BackboneOfWeights(WriteResNet(c.blocks, c.bottleneck));
    ASSERT_THAT(backbone, IsOk());
    EXPECT_EQ(static_cast<int>(backbone->config.resnet().depth()), c.depth);
    EXPECT_TRUE(backbone->pretrained);
    EXPECT_NEAR(backbone->normalization.scale(), 1 / 255.0, 1e-9);
  }
}

TEST(BackboneOfWeightsTest, OtherNetworksAreAnError) {
  EXPECT_THAT(BackboneOfWeights(WriteResNet(3, false)).status().ToString(),
              ::testing::AllOf(HasSubstr("--pretrained"), HasSubstr("--config")));
  EXPECT_THAT(BackboneOfWeights("/nowhere/weights.pth").status().ToString(),
              HasSubstr("--pretrained"));
}

TEST(BackboneOfWeightsTest, ADamagedResultOfAnotherRunIsNotUsed) {
  const std::string stage = testing::TempDir() + "/run/stages/1_rpn1";
  const std::string path = stage + "/model.pth";
  std::string bytes = ReadFile(WriteResNet(2, false)).value();
  StageRecord record;
  record.files["model.pth"] = Digest(bytes);
  ASSERT_THAT(CreateDirectories(stage), IsOk());
  ASSERT_THAT(WriteFileAtomically(stage + "/DONE", StageRecordText(record)), IsOk());
  ASSERT_THAT(WriteFileAtomically(path, bytes), IsOk());
  EXPECT_THAT(BackboneOfWeights(path), IsOk());
  bytes[bytes.size() / 2] ^= 1;
  ASSERT_THAT(WriteFileAtomically(path, bytes), IsOk());
  EXPECT_THAT(BackboneOfWeights(path),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("--pretrained: " + path + " is damaged or was edited")));
}

TEST(RandomResNetTest, HasStrideEight) {
  const PlanBackbone backbone = RandomResNet(configs::ResNetConfig::RESNET_18);
  EXPECT_EQ(backbone.config.resnet().layer3_stride(), 1);
  EXPECT_EQ(backbone.stride_px, 8);
  EXPECT_FALSE(backbone.pretrained);
}

}  // namespace
}  // namespace rcnn::training
