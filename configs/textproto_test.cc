#include "rcnn/configs/textproto.h"

#include <chrono>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/experiment.pb.h"

namespace rcnn::configs {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

absl::Status Parse(const std::string& text) {
  ExperimentConfig config;
  return ParseTextproto(text, "cells.textproto", &config);
}

TEST(TextprotoTest, ReadsAMessage) {
  ExperimentConfig config;
  ASSERT_THAT(ParseTextproto("name: 'a' seed: 4", "", &config), IsOk());
  EXPECT_EQ(config.name(), "a");
  EXPECT_EQ(config.seed(), 4);
}

TEST(TextprotoTest, NamesThePlaceFromOneOn) {
  EXPECT_THAT(Parse("name: \"a\"\n  seed: \"four\""),
              StatusIs(absl::StatusCode::kInvalidArgument, StartsWith("cells.textproto:2:9: ")));
}

TEST(TextprotoTest, ListsTheFieldsThatExistNearestFirst) {
  EXPECT_THAT(Parse("stages {\n train_rpn { training { solver { learning_rte: 1 } } } }"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(StartsWith("cells.textproto:2:34: "),
                             HasSubstr("\"SolverConfig\" has no field \"learning_rte\"; it has: "
                                       "learning_rate, "),
                             HasSubstr("weight_decay"))));
}

TEST(TextprotoTest, ListsTheFieldsOfTheTopToo) {
  EXPECT_THAT(Parse("stage { }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("it has: stages, ")));
}

// The error lists all fields, sorted by their edit distance from the name.
TEST(TextprotoTest, ALongNameTakesLinearTime) {
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THAT(Parse(std::string(10 << 20, 'x') + ": 1"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("it has: ")));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(TextprotoTest, SaysThatAMessageHasNoFields) {
  EXPECT_THAT(Parse("model { backbone { zf { depth: 3 } } }"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("\"ZfConfig\" has no fields, so no \"depth\"")));
}

TEST(TextprotoTest, ListsTheValuesOfAnEnum) {
  EXPECT_THAT(
      Parse("data { transform { flip: AT_RANDON } }"),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("\"AT_RANDON\" is not a value of \"flip\"; it may be: AT_RANDOM, ")));
}

TEST(TextprotoTest, RejectsASecondMemberOfAOneof) {
  EXPECT_THAT(
      Parse("model { backbone { zf {} tiny {} } }"),
      StatusIs(
          absl::StatusCode::kInvalidArgument,
          HasSubstr("cells.textproto:1:31: Field \"tiny\" is specified along with field \"zf\"")));
}

}  // namespace
}  // namespace rcnn::configs
