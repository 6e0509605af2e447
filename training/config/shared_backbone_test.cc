#include "rcnn/training/config/shared_backbone.h"

#include "gtest/gtest.h"
#include "rcnn/training/testing/sample_experiment.h"

namespace rcnn::training {
namespace {

TEST(BackboneOriginTest, FrozenBackboneHasTheOriginOfItsTraining) {
  const auto config = SampleExperiment();
  EXPECT_EQ(BackboneOrigin(config, "rpn1"), "rpn1");
  EXPECT_EQ(BackboneOrigin(config, "fast1"), "fast1");
  EXPECT_EQ(BackboneOrigin(config, "rpn2"), "fast1");
  EXPECT_EQ(BackboneOrigin(config, "fast2"), "fast1");
}

TEST(BackboneOriginTest, TrainedBackboneIsItsOwn) {
  EXPECT_EQ(BackboneOrigin(SampleExperiment({"stages.fast2.freeze="}), "fast2"), "fast2");
  EXPECT_EQ(BackboneOrigin(SampleExperiment({"stages.fast2.freeze=backbone.conv1"}), "fast2"),
            "fast2");
}

TEST(BackboneOriginTest, ThePyramidCountsToo) {
  const auto config = SampleExperiment({"model.fpn={}"});
  EXPECT_EQ(BackboneOrigin(config, "rpn2"), "rpn2");
}

TEST(BackboneOriginTest, TheLastSourceDecides) {
  EXPECT_EQ(BackboneOrigin(SampleExperiment({"stages.rpn2.init=[{ stage: 'fast1' }, "
                                             "{ pretrained: true }]"}),
                           "rpn2"),
            "(pretrained)");
  EXPECT_EQ(BackboneOrigin(SampleExperiment({"stages.rpn2.init=[{ stage: 'fast1' }, "
                                             "{ stage: 'rpn1' part: 'rpn' }]"}),
                           "rpn2"),
            "fast1");
  EXPECT_EQ(BackboneOrigin(SampleExperiment({"stages.rpn2.init=[{ stage: 'fast1' }, "
                                             "{ stage: 'rpn1' part: 'backbone.conv1' }]"}),
                           "rpn2"),
            "rpn2");
}

TEST(BackboneOriginTest, FrozenRandomWeightsAreItsOwn) {
  EXPECT_EQ(BackboneOrigin(SampleExperiment({"stages.rpn1.freeze=backbone"}), "rpn1"), "rpn1");
}

}  // namespace
}  // namespace rcnn::training
