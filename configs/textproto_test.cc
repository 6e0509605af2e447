#include "rcnn/configs/textproto.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/experiment.pb.h"

namespace rcnn::configs {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string ErrorMessage(const std::string& text) {
  ExperimentConfig config;
  return std::string(ParseTextproto(text, "cells.textproto", &config).message());
}

TEST(TextprotoTest, ReadsAMessage) {
  ExperimentConfig config;
  ASSERT_THAT(ParseTextproto("name: 'a' seed: 4", "", &config), IsOk());
  EXPECT_EQ(config.name(), "a");
  EXPECT_EQ(config.seed(), 4);
}

TEST(TextprotoTest, NamesThePlaceFromOneOn) {
  EXPECT_THAT(ErrorMessage("name: \"a\"\n  seed: \"four\""), StartsWith("cells.textproto:2:9: "));
}

TEST(TextprotoTest, ListsTheFieldsThatExistNearestFirst) {
  const std::string error =
      ErrorMessage("stages {\n train_rpn { training { solver { learning_rte: 1 } } } }");
  EXPECT_THAT(error, StartsWith("cells.textproto:2:34: "));
  EXPECT_THAT(error, HasSubstr("\"SolverConfig\" has no field \"learning_rte\"; it has: "
                               "learning_rate, "));
  EXPECT_THAT(error, HasSubstr("weight_decay"));
}

TEST(TextprotoTest, ListsTheFieldsOfTheTopToo) {
  EXPECT_THAT(ErrorMessage("stage { }"), HasSubstr("it has: stages, "));
}

TEST(TextprotoTest, SaysThatAMessageHasNoFields) {
  EXPECT_THAT(ErrorMessage("model { backbone { zf { depth: 3 } } }"),
              HasSubstr("\"ZfConfig\" has no fields, so no \"depth\""));
}

TEST(TextprotoTest, ListsTheValuesOfAnEnum) {
  EXPECT_THAT(ErrorMessage("data { transform { flip: AT_RANDON } }"),
              HasSubstr("\"AT_RANDON\" is not a value of \"flip\"; it may be: AT_RANDOM, "));
}

TEST(TextprotoTest, RejectsASecondMemberOfAOneof) {
  EXPECT_THAT(
      ErrorMessage("model { backbone { zf {} tiny {} } }"),
      HasSubstr("cells.textproto:1:31: Field \"tiny\" is specified along with field \"zf\""));
}

TEST(TextprotoTest, SortsByEditDistance) {
  EXPECT_EQ(NearestFirst("abc", {"xyz", "abd", "abcd", "abc"}), "abc, abd, abcd, xyz");
}

}  // namespace
}  // namespace rcnn::configs
