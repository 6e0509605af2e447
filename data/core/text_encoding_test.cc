#include "rcnn/data/core/text_encoding.h"

#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::data {
namespace {

using ::testing::HasSubstr;

TEST(TextEncoding, DecodesByName) {
  EXPECT_THAT(DecodeText("\xc3\xa8", "GBK"), IsOkAndHolds("\xe7\x8c\xab"));  // U+732B
  EXPECT_THAT(DecodeText("gr\xfcn", "ISO-8859-1"), IsOkAndHolds("gr\xc3\xbcn"));
  EXPECT_THAT(DecodeText("\x80", "windows-1252"), IsOkAndHolds("\xe2\x82\xac"));
  EXPECT_THAT(DecodeText("", "GBK"), IsOkAndHolds(""));
}

TEST(TextEncoding, NamesWhatDoesNotFit) {
  EXPECT_THAT(DecodeText("x", "klingon"), StatusIs(absl::StatusCode::kInvalidArgument,
                                                   HasSubstr("unknown encoding \"klingon\"")));
  EXPECT_THAT(DecodeText("ab\xff", "GBK"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("byte 2 is not valid")));
}

TEST(TextEncoding, TellsUtf16ByItsMarkOrItsZeros) {
  const std::string little("a\0\xfc\0", 4);
  const std::string big("\0a\0\xfc", 4);
  EXPECT_THAT(ToUtf8("\xff\xfe" + little), IsOkAndHolds("a\xc3\xbc"));
  EXPECT_THAT(ToUtf8("\xfe\xff" + big), IsOkAndHolds("a\xc3\xbc"));
  EXPECT_THAT(ToUtf8(little), IsOkAndHolds("a\xc3\xbc"));
  EXPECT_THAT(ToUtf8(big), IsOkAndHolds("a\xc3\xbc"));
}

TEST(TextEncoding, LeavesOtherTextAsItIs) {
  EXPECT_THAT(ToUtf8("\xef\xbb\xbfgr\xc3\xbcn"), IsOkAndHolds("gr\xc3\xbcn"));
  EXPECT_THAT(ToUtf8("gr\xfcn"), IsOkAndHolds("gr\xfcn"));
  EXPECT_THAT(ToUtf8(""), IsOkAndHolds(""));
  EXPECT_THAT(ToUtf8("\xff\xfe\x61"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("")));
}

}  // namespace
}  // namespace rcnn::data
