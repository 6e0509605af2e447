#include "rcnn/base/json_string.h"

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

}  // namespace
}  // namespace rcnn
