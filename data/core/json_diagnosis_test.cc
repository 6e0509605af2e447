#include "rcnn/data/core/json_diagnosis.h"

#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/data/testing/utf16.h"

namespace rcnn::data {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

TEST(JsonDiagnosis, NamesWideText) {
  for (const bool big_endian : {false, true}) {
    const std::string wide = Utf16("{\"images\": []}", {big_endian, /*has_mark=*/false});
    EXPECT_THAT(DescribeOtherFormat(wide), Optional(HasSubstr("UTF-16")));
    EXPECT_THAT(DescribeOtherFormat(Utf16("{\"images\": []}", {big_endian})),
                Optional(HasSubstr("iconv -f UTF-16 -t")));
    EXPECT_THAT(DescribeOtherFormat(wide),
                Optional(HasSubstr(big_endian ? "iconv -f UTF-16BE" : "iconv -f UTF-16LE")));
  }
  EXPECT_THAT(DescribeOtherFormat(std::string("\xff\xfe\0\0{\0\0\0", 8)),
              Optional(HasSubstr("iconv -f UTF-32 -t")));
  EXPECT_THAT(DescribeOtherFormat(std::string("\0\0\xfe\xff\0\0\0{", 8)),
              Optional(HasSubstr("iconv -f UTF-32 -t")));
  EXPECT_THAT(DescribeOtherFormat(std::string("{\0\0\0\"\0\0\0", 8)),
              Optional(HasSubstr("iconv -f UTF-32LE")));
  EXPECT_EQ(DescribeOtherFormat("{\"images\": []}"), std::nullopt);
  EXPECT_EQ(DescribeOtherFormat(""), std::nullopt);
}

TEST(JsonDiagnosis, NamesAGitLfsPointer) {
  EXPECT_THAT(DescribeOtherFormat("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n"
                                  "size 12345\n"),
              Optional(HasSubstr("git lfs pull")));
}

TEST(JsonDiagnosis, FindsTheFirstTrailingComma) {
  EXPECT_THAT(DescribeTrailingComma("{\"a\": [1, 2],\n \"b\": [3,\n ], }"),
              Optional(HasSubstr("before ']' in line 3 (byte 22)")));
  EXPECT_THAT(DescribeTrailingComma("{\"a\": 1,}"), Optional(HasSubstr("before '}' in line 1")));
}

TEST(JsonDiagnosis, CommasInTextAreNone) {
  EXPECT_EQ(DescribeTrailingComma(R"({"a": "x,]", "b\",}": "\\", "c": [1]})"), std::nullopt);
  EXPECT_EQ(DescribeTrailingComma(""), std::nullopt);
  EXPECT_EQ(DescribeTrailingComma("\"open"), std::nullopt);
}

}  // namespace
}  // namespace rcnn::data
