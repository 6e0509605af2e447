#include "rcnn/base/digest_json.h"

#include <nlohmann/json.hpp>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::ordered_json;

TEST(DigestJsonTest, ReadsBack) {
  const FileDigest digest = Digest("some bytes");
  const auto again = DigestFromJson({{"a", DigestToJson(digest)}}, "a");
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(*again, digest);
  EXPECT_EQ(DigestToJson({3, 0x00ab}).dump(), "{\"size\":3,\"crc32c\":\"000000ab\"}");
}

TEST(DigestJsonTest, RejectsAnythingElse) {
  for (const char* text :
       {"null", "[]", "{}", "{\"a\":1}", "{\"a\":{}}", "{\"a\":{\"size\":1}}",
        "{\"a\":{\"size\":\"1\",\"crc32c\":\"0\"}}", "{\"a\":{\"size\":1,\"crc32c\":0}}",
        "{\"a\":{\"size\":1,\"crc32c\":\"xyz\"}}",
        "{\"a\":{\"size\":1,\"crc32c\":\"123456789\"}}"}) {
    const auto digest = DigestFromJson(Json::parse(text), "a");
    EXPECT_THAT(digest, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("of a are not recorded")))
        << text;
  }
}

}  // namespace
}  // namespace rcnn
