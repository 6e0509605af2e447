#include "rcnn/base/sealed_json.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/peak_memory.h"
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

// A record with a list of `count` such items.
std::string MakeList(absl::string_view item, int64_t count) {
  std::string text = absl::StrCat("{\"facts\":[", item);
  for (int64_t i = 1; i < count; ++i) absl::StrAppend(&text, ",", item);
  return text + "]}";
}

TEST(SealedJsonTest, ValuesAreBoundedByTheSizeOfTheText) {
  const auto one = static_cast<int64_t>(MakeList("0", 1).size());
  // The record and the list are values, too.
  const auto allows = [one](int64_t count) {
    return count + 2 <= 10'000 + (one + 2 * (count - 1)) / 16;
  };
  int64_t most = 1;
  while (allows(most + 1)) ++most;
  EXPECT_GT(most, 11'000);
  EXPECT_THAT(ParseSealed(MakeList("0", most), {"facts"}), IsOk());
  EXPECT_THAT(ParseSealed(MakeList("0", most + 1), {"facts"}),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr(" values, the limit for a text of this size")));
}

TEST(SealedJsonTest, MemoryIsBoundedByTheSizeOfTheFile) {
  if (!kMeasuresMemory) GTEST_SKIP() << "sanitizers need memory of their own";
  constexpr int64_t kBytes = 4'000'000;
  // As many as there may be, as a writer writes them, and in few values.
  const std::string padded = MakeList("\"\"" + std::string(13, ' '), kBytes / 16);
  Json names = Json::array();
  for (int64_t i = 0; i < kBytes / 20; ++i) names.push_back(absl::StrCat("drawn/", i, ".jpg"));
  const std::string sealed = SealedText({{"facts", names}});
  const std::string long_text = MakeList("\"" + std::string(kBytes, 'x') + "\"", 1);
  const std::string long_name = "{\"" + std::string(kBytes, 'x') + "\":0}";
  for (const std::string& text :
       {MakeList("0", kBytes / 2), MakeList("[]", kBytes / 3), MakeList("\"\"", kBytes / 3),
        "{\"facts\":" + MakeList("{}", kBytes / 3) + "}", padded, sealed, long_text, long_name}) {
    const int64_t peak =
        MeasurePeakBytes([&] { ParseSealed(text, {"facts"}).status().IgnoreError(); });
    EXPECT_GE(peak, 0);
    EXPECT_LE(peak, 16 * static_cast<int64_t>(text.size()) + (4 << 20)) << text.substr(0, 60);
  }
  for (const std::string& text : {padded, sealed, long_text}) {
    EXPECT_THAT(ParseSealed(text, {"facts"}), IsOk()) << text.substr(0, 60);
  }
  const absl::Status of_long_name = ParseSealed(long_name, {"facts"}).status();
  EXPECT_THAT(of_long_name, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("unknown field")));
  EXPECT_LT(of_long_name.message().size(), 1000u);
}

// As SealedText writes it, but for the order of the fields.
TEST(SealedJsonTest, TheSealIsTheLastField) {
  const std::string text = SealedText({{"number", 3}});
  Json sealed = Json::parse(text);
  const Json moved = {{"seal", sealed["seal"]}, {"number", 3}};
  EXPECT_THAT(ParseSealed(sealed.dump(2) + "\n", {"number"}), IsOk());
  EXPECT_THAT(ParseSealed(moved.dump(2) + "\n", {"number"}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("its seal does not match")));
}

TEST(SealedJsonTest, ReplacesInvalidUtf8) {
  const std::string text = SealedText({{"name", "\xff"}});
  EXPECT_THAT(ParseSealed(text, {"name"}), IsOk());
}

}  // namespace
}  // namespace rcnn
