#include "rcnn/data/coco/lenient_json.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::data {
namespace {

namespace ondemand = simdjson::ondemand;
using ::testing::ElementsAre;

// Calls use(json, value) with the value in {"v": <text>, "w": 0}.
template <typename Use>
void WithValue(const std::string& text, const Use& use) {
  const simdjson::padded_string json("{\"v\": " + text + ", \"w\": 0}");
  ondemand::parser parser;
  ondemand::document document;
  ASSERT_EQ(parser.iterate(json).get(document), simdjson::SUCCESS) << text;
  ondemand::value value;
  ASSERT_EQ(document["v"].get(value), simdjson::SUCCESS) << text;
  use(absl::string_view(json.data(), json.size()), value);
}

// The whole number; -1 if it is none.
int64_t Whole(const std::string& text) {
  int64_t whole = -1;
  WithValue(text, [&](absl::string_view, ondemand::value value) {
    int64_t number = 0;
    if (GetWhole(value, number)) whole = number;
  });
  return whole;
}

// "true", "false" or "neither".
std::string Mark(const std::string& text) {
  std::string mark = "neither";
  WithValue(text, [&](absl::string_view, ondemand::value value) {
    bool is_set = false;
    if (GetMark(value, is_set)) mark = is_set ? "true" : "false";
  });
  return mark;
}

std::string Shown(const std::string& text) {
  std::string shown;
  WithValue(text, [&](absl::string_view json, ondemand::value value) {
    shown = ShownValue(json, value);
  });
  return shown;
}

TEST(LenientJsonTest, WholeNumbersMayBeFloatsAndStrings) {
  EXPECT_EQ(Whole("17"), 17);
  EXPECT_EQ(Whole("17.0"), 17);
  EXPECT_EQ(Whole("\"17\""), 17);
  for (const char* text : {"17.5", "1e300", "\"-17\"", "\"\"", "null", "[17]"}) {
    EXPECT_EQ(Whole(text), -1) << text;
  }
}

TEST(LenientJsonTest, MarksMayBeNumbers) {
  EXPECT_EQ(Mark("true"), "true");
  EXPECT_EQ(Mark("2"), "true");
  EXPECT_EQ(Mark("0"), "false");
  EXPECT_EQ(Mark("0.5"), "neither");
  EXPECT_EQ(Mark("null"), "neither");
}

TEST(LenientJsonTest, NullIsKnownAndLeftUnread) {
  WithValue("null", [](absl::string_view json, ondemand::value value) {
    EXPECT_TRUE(IsNull(value));
    EXPECT_EQ(TextFrom(json, value), "null, \"w\": 0}");
  });
  WithValue("\"null\"",
            [](absl::string_view, ondemand::value value) { EXPECT_FALSE(IsNull(value)); });
}

TEST(LenientJsonTest, AShownValueEndsWhereItEnds) {
  EXPECT_EQ(Shown("7"), "7");
  EXPECT_EQ(Shown("\"a, b\""), "\"a, b\"");
  EXPECT_EQ(Shown("[1, {\"a\": [2]}]"), "[1, {\"a\": [2]}]");
  EXPECT_EQ(Shown("\"" + std::string(100, 'x') + "\""), "\"" + std::string(39, 'x') + "...");
}

TEST(LenientJsonTest, FieldsComeInTheirOrderWithTheirNames) {
  const simdjson::padded_string json(std::string("{\"a\": 1, \"b\\u0063\": {\"x\": 2}, \"d\": 3}"));
  ondemand::parser parser;
  ondemand::document document;
  ASSERT_EQ(parser.iterate(json).get(document), simdjson::SUCCESS);
  ondemand::object object;
  ASSERT_EQ(document.get_object().get(object), simdjson::SUCCESS);
  std::vector<std::string> names;
  EXPECT_EQ(ForEachField(object,
                         [&](std::string_view key, ondemand::value) {
                           names.emplace_back(key);
                           return simdjson::SUCCESS;
                         }),
            simdjson::SUCCESS);
  EXPECT_THAT(names, ElementsAre("a", "bc", "d"));
}

}  // namespace
}  // namespace rcnn::data
