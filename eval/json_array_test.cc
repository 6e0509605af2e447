#include "rcnn/eval/json_array.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::eval {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Elements(absl::string_view json, absl::Status* status) {
  std::vector<std::string> elements;
  *status = ForEachArrayElement(json, [&](absl::string_view element) {
    elements.emplace_back(element);
    return absl::OkStatus();
  });
  return elements;
}

TEST(ForEachArrayElementTest, FindsElementsWithTheirNestingAndStrings) {
  absl::Status status;
  EXPECT_THAT(Elements(R"( [ {"a": [1, {"b": 2}]} , "x,]\"}" ,3] )", &status),
              ElementsAre(R"({"a": [1, {"b": 2}]})", R"("x,]\"}")", "3"));
  EXPECT_THAT(status, IsOk());
  EXPECT_THAT(Elements("[ ]", &status), IsEmpty());
  EXPECT_THAT(status, IsOk());
}

TEST(ForEachArrayElementTest, NamesWhereItEnds) {
  const struct {
    const char* json;
    const char* message;
  } kCases[] = {
      {"", "empty"},
      {"  \n", "empty"},
      {"{}", "does not start with '['"},
      {"[", "inside record 0"},
      {"[{}, {\"a\": \"]", "inside record 1"},
      {"[{}, {}", "inside record 1"},
      {"[{}]]", "follows the array after record 0"},
      {"[{}] x", "follows the array after record 0"},
      {"[\"a\\", "inside record 0"},
  };
  for (const auto& bad : kCases) {
    absl::Status status;
    Elements(bad.json, &status);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(bad.message)))
        << bad.json;
  }
}

TEST(ForEachArrayElementTest, StopsAtTheVisitorsErrorAndNamesTheRecord) {
  int visits = 0;
  const absl::Status status = ForEachArrayElement("[1, 2, 3]", [&](absl::string_view element) {
    ++visits;
    return element == "2" ? absl::DataLossError("two") : absl::OkStatus();
  });
  EXPECT_EQ(visits, 2);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss,
                               HasSubstr("record 1 (the first is 0), at byte 4: two")));
}

TEST(SplitObjectArrayTest, SplitsOnlyBetweenObjects) {
  EXPECT_THAT(SplitObjectArray("[{\"a\": [1, 2]} , {},{\"b\": 1}]", 1),
              ElementsAre("{\"a\": [1, 2]} ", " {}", "{\"b\": 1}"));
  EXPECT_THAT(SplitObjectArray(" [{}, {}] ", 100), ElementsAre("{}, {}"));
  EXPECT_THAT(SplitObjectArray("[]", 1), ElementsAre(""));
}

TEST(SplitObjectArrayTest, PiecesHaveAtLeastTheRequestedSize) {
  std::string json = "[";
  for (int i = 0; i < 1000; ++i) json += i == 0 ? "{\"a\": 1}" : ", {\"a\": 1}";
  json += "]";
  const auto pieces = SplitObjectArray(json, 256);
  ASSERT_GT(pieces.size(), 10u);
  for (size_t i = 0; i + 1 < pieces.size(); ++i) {
    EXPECT_GE(pieces[i].size(), 255u);
    EXPECT_LE(pieces[i].size(), 300u);
  }
}

TEST(SplitObjectArrayTest, OtherTextIsNotSplit) {
  for (const char* json : {"", "[", "]", "{}", "{\"a\": []}", "[1", "null"}) {
    EXPECT_THAT(SplitObjectArray(json, 1), IsEmpty()) << json;
  }
}

TEST(DescribeJsonErrorTest, NamesPythonsNumbers) {
  EXPECT_THAT(DescribeJsonError("{\"score\": NaN}"), HasSubstr("NaN"));
  EXPECT_THAT(DescribeJsonError("{\"score\": -Infinity}"), HasSubstr("Infinity"));
  EXPECT_THAT(DescribeJsonError("{\"score\": }"), HasSubstr("not valid JSON"));
}

}  // namespace
}  // namespace rcnn::eval
