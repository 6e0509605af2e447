#include "rcnn/configs/textproto.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/peak_memory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/configs/model.pb.h"

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

TEST(TextprotoTest, AnErrorQuotesNoMoreThanTheBeginning) {
  const std::string long_word(1 << 20, 'x');
  for (const std::string& text : {long_word + ": 1", "seed: " + long_word, "name: " + long_word,
                                  "data { transform { flip: " + long_word + " } }"}) {
    const absl::Status status = Parse(text);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("xxx...")));
    EXPECT_LT(status.message().size(), 2000u);
  }
}

TEST(TextprotoTest, ValuesAreBoundedByTheSizeOfTheText) {
  const auto list = [](int64_t count) {
    std::string text = "class_name: [\"\"";
    for (int64_t i = 1; i < count; ++i) text += ",\"\"";
    return text + "]";
  };
  const auto one = static_cast<int64_t>(list(1).size());
  const auto allows = [one](int64_t count) {
    return count <= 10'000 + (one + 3 * (count - 1)) / 16;
  };
  int64_t most = 1;
  while (allows(most + 1)) ++most;
  EXPECT_GT(most, 12'000);
  DetectorConfig config;
  EXPECT_THAT(ParseTextproto(list(most), "detector.textproto", &config), IsOk());
  EXPECT_EQ(config.class_name_size(), most);
  EXPECT_THAT(ParseTextproto(list(most + 1), "detector.textproto", &config),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(StartsWith("detector.textproto:1:"),
                             HasSubstr(" values, the limit for a text of this size"))));
}

// As protobuf writes them.
TEST(TextprotoTest, NamesOfManyClassesMayBeShort) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "class_name: \"a\"\n";
  DetectorConfig config;
  EXPECT_THAT(ParseTextproto(text, "detector.textproto", &config), IsOk());
}

TEST(TextprotoTest, NestingIsBounded) {
  EXPECT_THAT(CheckTextprotoSize(std::string(100, '[')), IsOk());
  EXPECT_THAT(
      CheckTextprotoSize("x:\n" + std::string(101, '[')),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("2:101: nested deeper than 100")));
  EXPECT_THAT(
      CheckTextprotoSize("x: \"\n" + std::string(101, '{')),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("2:101: nested deeper than 100")))
      << "the parser ends a string with its line, and goes on";
  const std::string braces(20'000, '{');
  EXPECT_THAT(CheckTextprotoSize("x: \"" + braces + "\" # " + braces), IsOk());
}

TEST(TextprotoTest, MemoryIsBoundedByTheSizeOfTheFile) {
  if (!kMeasuresMemory) GTEST_SKIP() << "sanitizers need memory of their own";
  constexpr size_t kBytes = 4'000'000;
  const auto repeat = [](const std::string& begin, const std::string& value,
                         const std::string& end) {
    std::string text = begin;
    while (text.size() < kBytes) text += value;
    return text + end;
  };
  const std::string long_word(kBytes, 'x'), name = "name: \"" + long_word + "\"";
  // As many as there may be: one in 16 bytes.
  const std::string stages = repeat("", "stages {}       ", "");
  const std::string branches = repeat("model{", "branch {}       ", "}");
  for (const std::string& text :
       {stages, branches, name, repeat("", "stages{}", ""), repeat("model{branch:[{}", ",{}", "]}"),
        repeat("data{train{concat{parts:[{}", ",{}", "]}}}"),
        repeat("data{train{classes:[\"\"", ",\"\"", "]}}"), long_word + ": 1", "seed: " + long_word,
        repeat("name: \"\n", "stages{}", "")}) {
    const int64_t peak = MeasurePeakBytes([&] { Parse(text).IgnoreError(); });
    EXPECT_GE(peak, 0);
    EXPECT_LE(peak, 16 * static_cast<int64_t>(text.size()) + (4 << 20)) << text.substr(0, 60);
  }
  for (const std::string& text : {stages, branches, name}) {
    EXPECT_THAT(Parse(text), IsOk()) << text.substr(0, 60);
  }
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
