#include "rcnn/base/sealed_json.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

using Json = nlohmann::ordered_json;
using ::testing::HasSubstr;

const Json kRecord = {{"number", 3}, {"facts", {{"mean", "0.25"}, {"name", "caf\xc3\xa9"}}}};

TEST(SealedJsonTest, GivesBackWhatWasWritten) {
  const auto read = ParseSealed(SealedText(kRecord), {"number", "facts"});
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE(read->sealed);
  EXPECT_EQ(read->record, kRecord);
}

TEST(SealedJsonTest, NoFlippedBitPasses) {
  std::string text = SealedText(kRecord);
  for (size_t bit = 0; bit < 8 * text.size(); ++bit) {
    text[bit / 8] ^= static_cast<char>(1 << bit % 8);
    EXPECT_THAT(ParseSealed(text, {"number", "facts"}),
                StatusIs(absl::StatusCode::kDataLoss, testing::_))
        << text;
    text[bit / 8] ^= static_cast<char>(1 << bit % 8);
  }
}

TEST(SealedJsonTest, ReadsATextWithoutASeal) {
  const auto read = ParseSealed(kRecord.dump(), {"number", "facts"});
  ASSERT_THAT(read, IsOk());
  EXPECT_FALSE(read->sealed);
  EXPECT_EQ(read->record, kRecord);
}

TEST(SealedJsonTest, RefusesOtherTexts) {
  for (const char* text : {"", "[1]", "{\"number\": 3", "{\"number\": 3, \"other\": 4}"}) {
    EXPECT_THAT(ParseSealed(text, {"number"}), StatusIs(absl::StatusCode::kDataLoss, testing::_))
        << text;
  }
  EXPECT_THAT(ParseSealed("{\"nu\\u0001\": 3}", {"number"}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("nu\\u0001")));
}

// Writing it again would overflow the stack.
TEST(SealedJsonTest, RefusesWhatIsNestedDeeply) {
  const std::string text = absl::StrCat("{\"facts\": ", std::string(1'000'000, '['),
                                        std::string(1'000'000, ']'), ", \"seal\": \"00000000\"}");
  EXPECT_THAT(ParseSealed(text, {"facts"}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("nested deeper than 16")));
}

// Each would be compared with all before it: an hour.
TEST(SealedJsonTest, RefusesManyFieldsAtOnce) {
  std::string text = "{\"facts\": {\"first\": 0";
  for (int i = 0; i < 1'000'000; ++i) absl::StrAppend(&text, ", \"", i, "\": 0");
  EXPECT_THAT(ParseSealed(text + "}}", {"facts"}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("10000 fields")));
}

TEST(SealedJsonTest, ReplacesInvalidUtf8) {
  const std::string text = SealedText({{"name", "\xff"}});
  EXPECT_THAT(ParseSealed(text, {"name"}), IsOk());
}

}  // namespace
}  // namespace rcnn
