// All experiments in configs/, against the requirements of training. The numbers of published ones
// are checked in experiments_of_2015_test.cc and experiments_of_detectron2_test.cc.

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/config/check_experiment.h"
#include "rcnn/training/config/experiments_folder.h"

namespace rcnn::training {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

TEST(ExperimentsTest, AllExperimentsExist) {
  EXPECT_THAT(
      ExperimentNames(),
      IsSupersetOf(
          {"shapes_tiny_alternating", "shapes_tiny_joint", "bccd_resnet18_alternating",
           "bccd_resnet18_joint", "bccd_resnet18_joint_long", "bccd_fast_rcnn_selective_search",
           "voc07_zf_alternating", "voc07_vgg_m_alternating", "voc07_vgg16_alternating",
           "voc07_vgg16_alternating_official", "voc0712_vgg16_alternating", "voc07_vgg16_joint",
           "voc07_vgg16_fast_rcnn_selective_search", "coco_vgg16_alternating",
           "coco_resnet50_fpn_joint", "coco_resnet50_c4_joint"}));
}

TEST(ExperimentsTest, EveryExperimentIsValid) {
  for (const std::string& name : ExperimentNames()) {
    const configs::ExperimentConfig config = LoadNamedExperiment(name);
    EXPECT_THAT(CheckExperiment(config), IsOk()) << name;
    EXPECT_EQ(config.name(), name);
  }
}

// Pretrained weights are not part of rcnn: the error for a missing file shows the hint.
TEST(ExperimentsTest, HintsNameTheWeightsFileAndWhereItIsFetched) {
  for (const std::string& name : ExperimentNames()) {
    const configs::ExperimentConfig config = LoadNamedExperiment(name);
    if (!config.has_pretrained()) continue;
    const std::string file = std::filesystem::path(config.pretrained().file()).filename().string();
    EXPECT_THAT(config.pretrained().hint(),
                AllOf(HasSubstr(file), AnyOf(HasSubstr("https://"), HasSubstr(" fetches "))))
        << name;
  }
}

}  // namespace
}  // namespace rcnn::training
