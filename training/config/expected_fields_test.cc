#include "rcnn/training/config/expected_fields.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/config/experiment.h"

namespace rcnn::training {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

configs::ExperimentConfig Parse(const std::string& text) {
  const auto config = ParseExperiment(text, "test");
  EXPECT_THAT(config, IsOk());
  return config.value_or(configs::ExperimentConfig());
}

TEST(ExpectedFieldsTest, WrittenAndDefaultValuesAreCompared) {
  const auto config = Parse("name: \"a\" model { rpn { channels: 256 } }");
  ExpectedFields f;
  f.SetText("name", "a");
  f.Set("model.rpn.channels", 256);
  f.Set("model.rpn.num_convs", 1);  // by default
  EXPECT_THAT(FieldDefects(config, f), IsEmpty());
  f.SetText("name", "b");
  f.Set("model.rpn.channels", 512);
  f.Set("model.rpn.num_convs", 2);
  EXPECT_THAT(FieldDefects(config, f),
              ElementsAre("model.rpn.channels is 256, not 512", "model.rpn.num_convs is 1, not 2",
                          "name is \"a\", not \"b\""));
}

TEST(ExpectedFieldsTest, NumbersAreComparedAsNumbers) {
  const auto config = Parse("model { normalization { scale: 1e-3 mean: [1, 2.50, 3] } }");
  ExpectedFields f;
  f.Set("model.normalization.scale", 0.001);
  f.Set("model.normalization.mean", std::vector<double>{1, 2.5, 3});
  EXPECT_THAT(FieldDefects(config, f), IsEmpty());
  f.Set("model.normalization.mean", std::vector<double>{1, 2.5});
  EXPECT_THAT(FieldDefects(config, f), ElementsAre("model.normalization.mean is [1, 2.5, 3], not "
                                                   "[1, 2.5]"));
}

TEST(ExpectedFieldsTest, AFieldThatIsNotSetIsADefect) {
  ExpectedFields f;
  f.SetText("pretrained.file", "vgg16.pth");
  EXPECT_THAT(FieldDefects(configs::ExperimentConfig(), f),
              ElementsAre("pretrained.file is not set; it should be \"vgg16.pth\""));
}

TEST(ExpectedFieldsTest, AFieldThatNothingExpectsIsADefect) {
  const auto config = Parse(
      "seed: 4 model { rpn {} } "
      "pretrained { file: \"vgg16.pth\" hint: \"It is elsewhere.\" }");
  ExpectedFields f;
  f.SetText("pretrained.file", "vgg16.pth");
  EXPECT_THAT(FieldDefects(config, f),
              ElementsAre("model: {} is checked by nothing", "model.rpn: {} is checked by nothing",
                          "seed: 4 is checked by nothing"));
  f.Set("seed", 4);
  f.Set("model.rpn", "{}");
  EXPECT_THAT(FieldDefects(config, f), IsEmpty());
}

}  // namespace
}  // namespace rcnn::training
