#include "rcnn/training/config/config_override.h"

#include <google/protobuf/util/message_differencer.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/stream_key.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/testing/sample_experiment.h"

namespace rcnn::training {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

configs::ExperimentConfig Applied(const std::string& assignment) {
  configs::ExperimentConfig config = SampleExperiment();
  const absl::Status status = ApplyOverride(assignment, &config);
  EXPECT_THAT(status, IsOk());
  return config;
}

// The message, after checking that nothing has changed.
std::string ErrorMessage(const std::string& assignment) {
  const configs::ExperimentConfig before = SampleExperiment();
  configs::ExperimentConfig config = before;
  const absl::Status status = ApplyOverride(assignment, &config);
  EXPECT_TRUE(MessageDifferencer::Equals(before, config)) << assignment;
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr(absl::StrCat("--set ", assignment, ": "))));
  return std::string(status.message());
}

TEST(ConfigOverrideTest, SetsScalarsOfEachKind) {
  EXPECT_EQ(Applied("seed=18446744073709551615").seed(), 18446744073709551615u);
  EXPECT_EQ(Applied(" seed = 7 ").seed(), 7);
  EXPECT_EQ(Applied("data.transform.flip=DOUBLE_DATASET").data().transform().flip(),
            configs::TransformConfig::DOUBLE_DATASET);
  EXPECT_TRUE(Applied("data.test.inclusive_boxes=true").data().test().inclusive_boxes());
  EXPECT_EQ(Applied("resources.checkpoint_seconds=1.5e1").resources().checkpoint_seconds(), 15);
}

TEST(ConfigOverrideTest, TakesStringsWithAndWithoutQuotes) {
  EXPECT_EQ(Applied("name=other").name(), "other");
  EXPECT_EQ(Applied("name=\"other\"").name(), "other");
  EXPECT_EQ(Applied("pretrained.file=a=b/c d.pth").pretrained().file(), "a=b/c d.pth");
}

TEST(ConfigOverrideTest, FindsStagesByIndexAndByName) {
  const std::string rest = ".train_rpn.training.solver.learning_rate=0.25";
  for (const char* path : {"stages[3]", "stages.rpn2"}) {
    const configs::ExperimentConfig config = Applied(absl::StrCat(path, rest));
    EXPECT_EQ(config.stages(3).train_rpn().training().solver().learning_rate(), 0.25) << path;
    EXPECT_EQ(config.stages(0).train_rpn().training().solver().learning_rate(), 0.001) << path;
  }
}

TEST(ConfigOverrideTest, ReplacesMessagesAndLists) {
  const configs::ExperimentConfig config =
      Applied("data.transform.resize={ shortest_side_px: 50 longest_side_px: 60 }");
  EXPECT_THAT(config.data().transform().resize().shortest_side_px(), ElementsAre(50));
  EXPECT_EQ(config.data().transform().resize().longest_side_px(), 60);
  EXPECT_THAT(Applied("stages.fast2.freeze=[\"backbone\", \"fpn\"]").stages(5).freeze(),
              ElementsAre("backbone", "fpn"));
  EXPECT_THAT(Applied("stages.fast2.freeze=head").stages(5).freeze(), ElementsAre("head"));
  EXPECT_THAT(Applied("data.transform.resize.shortest_side_px[1]=7")
                  .data()
                  .transform()
                  .resize()
                  .shortest_side_px(),
              ElementsAre(96, 7));
}

TEST(ConfigOverrideTest, ReplacesOneMessageOfAList) {
  const configs::ExperimentConfig config = Applied("stages[1]={ name: 'x' selective_search {} }");
  ASSERT_EQ(config.stages_size(), 7);
  EXPECT_EQ(config.stages(1).name(), "x");
  EXPECT_TRUE(config.stages(1).has_selective_search());
  EXPECT_EQ(config.stages(2).name(), "fast1");
  EXPECT_EQ(Applied("stages.props1={ name: 'x' selective_search {} }").DebugString(),
            config.DebugString());
}

TEST(ConfigOverrideTest, AnIndexMayStandBehindADotToo) {
  for (const char* index : {"stages.1", "stages[1]"}) {
    const std::string path(index);
    EXPECT_EQ(Applied(path + ".name=x").stages(1).name(), "x");
    EXPECT_EQ(Applied(path + "=").stages(1).name(), "fast1");
    EXPECT_EQ(Applied(path + "={ name: 'x' selective_search {} }").stages(1).name(), "x");
  }
  EXPECT_EQ(Applied("stages.0.train_rpn.training.solver.iterations=7")
                .stages(0)
                .train_rpn()
                .training()
                .solver()
                .iterations(),
            7);
  EXPECT_THAT(Applied("data.transform.resize.shortest_side_px.1=7")
                  .data()
                  .transform()
                  .resize()
                  .shortest_side_px(),
              ElementsAre(96, 7));
  EXPECT_THAT(ErrorMessage("stages.7.name=x"), HasSubstr("out of range: the list has 7"));
  // A name takes precedence.
  EXPECT_EQ(Applied("stages.props1.name=0").stages(1).name(), "0");
}

TEST(ConfigOverrideTest, ReplacesAMemberOfAOneof) {
  const configs::ExperimentConfig config = Applied("model.backbone.vgg16={}");
  EXPECT_TRUE(config.model().backbone().has_vgg16());
  EXPECT_FALSE(config.model().backbone().has_tiny());
}

TEST(ConfigOverrideTest, CreatesMessagesAlongThePath) {
  EXPECT_EQ(Applied("stages.rpn1.train_rpn.training.validation.every=5")
                .stages(0)
                .train_rpn()
                .training()
                .validation()
                .every(),
            5);
}

TEST(ConfigOverrideTest, EmptyValueRemovesAField) {
  EXPECT_FALSE(Applied("data.transform.resize=").data().transform().has_resize());
  EXPECT_EQ(Applied("stages=").stages_size(), 0);
  for (const char* element : {"stages[1]=", "stages.props1="}) {
    const configs::ExperimentConfig config = Applied(element);
    ASSERT_EQ(config.stages_size(), 6);
    EXPECT_EQ(config.stages(0).name(), "rpn1");
    EXPECT_EQ(config.stages(1).name(), "fast1");
    EXPECT_EQ(config.stages(5).name(), "final");
  }
}

TEST(ConfigOverrideTest, ListsWhatExistsNearestFirst) {
  EXPECT_THAT(ErrorMessage("stages.rpn1.train_rpn.training.solver.learning_rte=1"),
              HasSubstr("SolverConfig has no field \"learning_rte\"; it has: learning_rate, "));
  EXPECT_THAT(ErrorMessage("stages.rnp1.name=x"),
              HasSubstr("stages has no \"rnp1\"; there are: rpn1, "));
  EXPECT_THAT(ErrorMessage("data.transform.flip=NEVR"), HasSubstr("it may be: NEVER, "));
  EXPECT_THAT(ErrorMessage("model=3"), HasSubstr("is a message"));
}

TEST(ConfigOverrideTest, DoesNotSwitchAOneofAlongThePath) {
  EXPECT_THAT(ErrorMessage("stages.rpn1.train_fast_rcnn.max_proposals=3"),
              HasSubstr("\"train_rpn\" is already set"));
}

TEST(ConfigOverrideTest, RejectsInvalidPaths) {
  EXPECT_THAT(ErrorMessage("seed"), HasSubstr("path.to.field=value"));
  EXPECT_THAT(ErrorMessage("=3"), HasSubstr("path.to.field=value"));
  EXPECT_THAT(ErrorMessage("stages[7].name=x"), HasSubstr("out of range: the list has 7"));
  EXPECT_THAT(ErrorMessage("stages[-1].name=x"), HasSubstr("name[index]"));
  EXPECT_THAT(ErrorMessage("stages[1x].name=x"), HasSubstr("name[index]"));
  EXPECT_THAT(ErrorMessage("seed[0]=1"), HasSubstr("not a list"));
  EXPECT_THAT(ErrorMessage("seed.x=1"), HasSubstr("plain value"));
  EXPECT_THAT(ErrorMessage("stages.rpn1.init.stage=x"), HasSubstr("is a list: write init[0]"));
  EXPECT_THAT(ErrorMessage("a..b=1"), HasSubstr("has no field \"a\""));
}

TEST(ConfigOverrideTest, RejectsValuesOfAnotherType) {
  EXPECT_THAT(ErrorMessage("seed=four"), HasSubstr("value:1:"));
  EXPECT_THAT(ErrorMessage("seed=-1"), HasSubstr("value:1:"));
  EXPECT_THAT(ErrorMessage("seed=1 name: \"x\""), HasSubstr("more than one value"));
  EXPECT_THAT(ErrorMessage("stages.fast2.freeze[0]=[\"a\", \"b\"]"),
              HasSubstr("an element takes one value"));
  EXPECT_THAT(ErrorMessage("model.backbone.tiny={ depth: 1 }"),
              HasSubstr("has no field \"depth\""));
  EXPECT_THAT(ErrorMessage("stages.rpn1=x"), HasSubstr("write { ... } with any of name"));
}

TEST(ConfigOverrideTest, AnyTextIsAppliedOrRejected) {
  const std::string pieces[] = {"stages", "rpn1", ".", "[", "]", "0", "=", "{", "}", "model",
                                "seed",   "\"",   ",", ":", " ", "-", "9", "x", "'", "\\"};
  RandomStream random({.seed = 1, .stage = "", .step = 0, .purpose = "overrides"});
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (int64_t n = random.UniformInt(9); n >= 0; --n) {
      absl::StrAppend(&text, pieces[random.UniformInt(20)]);
    }
    const configs::ExperimentConfig before = SampleExperiment();
    configs::ExperimentConfig config = before;
    if (ApplyOverride(text, &config).ok()) continue;
    ASSERT_TRUE(MessageDifferencer::Equals(before, config)) << text;
  }
}

}  // namespace
}  // namespace rcnn::training
