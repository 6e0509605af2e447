#include "rcnn/base/json_string.h"

#include <nlohmann/json.hpp>
#include <string>

#include "gtest/gtest.h"

namespace rcnn {
namespace {

TEST(JsonStringTest, EscapesWhatJsonWantsEscaped) {
  EXPECT_EQ(JsonString("cell"), "\"cell\"");
  EXPECT_EQ(JsonString("a \"b\" \\ c"), "\"a \\\"b\\\" \\\\ c\"");
  EXPECT_EQ(JsonString("\x1b[2J"), "\"\\u001b[2J\"");
  EXPECT_EQ(JsonString("Hände"), "\"Hände\"");
}

TEST(JsonStringTest, BytesThatAreNotUtf8AreReplaced) {
  EXPECT_EQ(JsonString("caf\xe9"), "\"caf\xef\xbf\xbd\"");
}

TEST(JsonStringTest, WhatATerminalObeysIsEscapedAndReadAsBefore) {
  const std::string name =
      "\xe2\x80\xaegpj\x7f \xc2\x9b"
      "2J \xd8\x9c \xe2\x80\xa8 \\x7f";
  const std::string json = JsonString(name);
  EXPECT_EQ(json, R"("\u202egpj\u007f \u009b2J \u061c \u2028 \\x7f")");
  EXPECT_EQ(nlohmann::json::parse(json).get<std::string>(), name);
}

TEST(PrintableJsonTest, ParsesAsBefore) {
  const nlohmann::json record = {{"H\xc3\xa4nde \xe2\x80\xae", {1, "\x1b\n\x7f"}}};
  const std::string text = PrintableJson(record.dump(1));
  EXPECT_EQ(text.find_first_of("\x1b\x7f"), std::string::npos);
  EXPECT_EQ(text.find("\xe2\x80\xae"), std::string::npos);
  EXPECT_NE(text.find("H\xc3\xa4nde"), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(text), record);
}

}  // namespace
}  // namespace rcnn
