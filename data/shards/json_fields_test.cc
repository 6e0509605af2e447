#include "rcnn/data/shards/json_fields.h"

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr int64_t kMost = JsonFields::kMost;

// Parses `json` and reads with `read`; returns the status.
absl::Status Read(const std::string& json, const std::function<void(JsonFields&)>& read) {
  simdjson::dom::parser parser;
  simdjson::dom::element element;
  EXPECT_EQ(parser.parse(json).get(element), simdjson::SUCCESS) << json;
  JsonFields fields(element);
  read(fields);
  return fields.status();
}

TEST(JsonFieldsTest, ReadsFieldsInAnyOrder) {
  const std::string json =
      R"({"d": [1, 2.5, 3, 4e0], "a": -7, "b": 0.5, "c": "ä", "e": [1, "x"], "f": 1, "g": 0})";
  EXPECT_THAT(Read(json,
                   [](JsonFields& fields) {
                     EXPECT_EQ(fields.Whole("a", -kMost, kMost), -7);
                     EXPECT_EQ(fields.Number("b"), 0.5);
                     EXPECT_EQ(fields.Number("a"), -7);
                     EXPECT_EQ(fields.Text("c"), "ä");
                     EXPECT_THAT(fields.Box("d"), ElementsAre(1, 2.5, 3, 4));
                     EXPECT_THAT(fields.List("e"), SizeIs(2));
                     EXPECT_TRUE(fields.Mark("f"));
                     EXPECT_FALSE(fields.Mark("g"));
                     EXPECT_FALSE(fields.Mark("missing"));
                     EXPECT_TRUE(fields.Has("a"));
                     EXPECT_FALSE(fields.Has("missing"));
                   }),
              IsOk());
}

TEST(JsonFieldsTest, ErrorsNameTheField) {
  const std::vector<std::pair<std::function<void(JsonFields&)>, std::string>> cases = {
      {[](JsonFields& fields) { fields.Whole("a", 8, 9); }, "\"a\" is not a whole number in 8..9"},
      {[](JsonFields& fields) { fields.Whole("a", 8, kMost); }, "\"a\" is not a whole number >= 8"},
      {[](JsonFields& fields) { fields.Whole("e", -kMost, kMost); }, "\"e\" is not a whole number"},
      {[](JsonFields& fields) { fields.Whole("z", 0, 1); }, "\"z\" is missing"},
      {[](JsonFields& fields) { fields.Number("b"); }, "\"b\" is not a number"},
      {[](JsonFields& fields) { fields.Text("a"); }, "\"a\" is not a text"},
      {[](JsonFields& fields) { fields.List("a"); }, "\"a\" is not a list"},
      {[](JsonFields& fields) { fields.Box("c"); }, "\"c\" is not a list of four numbers"},
      {[](JsonFields& fields) { fields.Mark("a"); }, "\"a\" is not a whole number in 0..1"}};
  for (const auto& [read, message] : cases) {
    EXPECT_THAT(Read(R"({"a": 7, "b": "x", "c": [1, 2, 3], "e": 1.5})", read),
                StatusIs(absl::StatusCode::kInvalidArgument, message));
  }
}

TEST(JsonFieldsTest, TheFirstErrorCounts) {
  EXPECT_THAT(Read(R"({"a": 7})",
                   [](JsonFields& fields) {
                     EXPECT_EQ(fields.Text("a"), "");
                     EXPECT_EQ(fields.Whole("a", 0, 9), 0);
                     EXPECT_EQ(fields.Number("b"), 0);
                   }),
              StatusIs(absl::StatusCode::kInvalidArgument, "\"a\" is not a text"));
}

TEST(JsonFieldsTest, AnotherValueThanAnObjectIsAnError) {
  for (const char* json : {"[1]", "7", "null", "\"a\""}) {
    EXPECT_THAT(Read(json, [](JsonFields& fields) { fields.Text("a"); }),
                StatusIs(absl::StatusCode::kInvalidArgument, "is not a JSON object"));
  }
}

}  // namespace
}  // namespace rcnn::data
