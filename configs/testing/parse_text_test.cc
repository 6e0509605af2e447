#include "rcnn/configs/testing/parse_text.h"

#include "gtest/gtest.h"
#include "rcnn/configs/experiment.pb.h"

namespace rcnn::configs {
namespace {

TEST(ParseTextTest, ReplacesTheMessage) {
  ExperimentConfig config;
  config.set_name("before");
  ParseTextOrDie("seed: 4", &config);
  EXPECT_EQ(config.seed(), 4);
  EXPECT_FALSE(config.has_name());
  EXPECT_EQ(ParseTextOrDie<ExperimentConfig>("name: 'after'").name(), "after");
}

TEST(ParseTextDeathTest, AWrongTextEndsTheProcessWithTheErrorAndTheText) {
  EXPECT_DEATH(ParseTextOrDie<ExperimentConfig>("name: 'x' sead: 4"),
               "text:1:11: \"ExperimentConfig\" has no field \"sead\"");
  EXPECT_DEATH(ParseTextOrDie<ExperimentConfig>("name: 'x' sead: 4"), "name: 'x' sead: 4");
}

}  // namespace
}  // namespace rcnn::configs
